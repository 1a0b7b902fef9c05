//! What programs are told of the API, against what it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vestibule_sql::Database;
use vestibule_testkit::{DatabaseKind, ServerOptions, TestDatabase, TestServer};
use vestibule_web::{Face, Route, Routes, Vestibule, Who};

/// Routes for programs that no client calls: files, and for those who keep the server running.
const NOT_DESCRIBED: [&str; 3] = ["/assets/{*file}", "/healthz", "/readyz"];

async fn document(server: &TestServer) -> Value {
    let answer = server.anonymous().get("/api/openapi.json").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

/// The operations of a document: method and path to what is said of them.
fn operations(document: &Value) -> BTreeMap<(String, String), Value> {
    let paths = document["paths"].as_object().expect("a description has paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("a path has methods").iter();
        methods.map(move |(method, told)| ((method.to_uppercase(), path.clone()), told.clone()))
    });
    operations.collect()
}

#[tokio::test]
async fn every_route_for_programs_is_described_with_who_may_call_it() {
    let routes = |vestibule: &Vestibule, _: &Database| Routes::new(vestibule.clone());
    let options = ServerOptions { routes, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(DatabaseKind::Sqlite).await, options).await;
    let document = document(&server).await;
    assert_eq!(document["openapi"], "3.1.0");
    let described = operations(&document);
    // Any method is taken there, and one described.
    let is_another = |route: &Route| route.path == "/api/auth/verify" && route.method != "GET";
    let is_told = |route: &&Route| {
        route.face == Face::Api && !NOT_DESCRIBED.contains(&route.path) && !is_another(route)
    };
    let routes = server.list.iter().filter(is_told);
    let mut walked = BTreeSet::new();
    for route in routes {
        let key = (route.method.to_string(), route.path.to_owned());
        let Some(told) = described.get(&key) else { panic!("{key:?} is not described") };
        let ways: Vec<&str> = told["security"].as_array().into_iter().flatten().map(way).collect();
        let expected: &[&str] = match (&route.who, route.path, route.method.is_safe()) {
            (_, "/api/auth/refresh", _) => &["csrf+refresh"],
            (_, "/api/auth/verify", _) => &["session", "bearer"],
            (Who::Service(_), ..) => &["service_key"],
            (Who::Visitor, ..) => &["", "session", "bearer"],
            (Who::Anyone | Who::Stranger, ..) => &[],
            (_, _, true) => &["session", "bearer"],
            (_, _, false) => &["csrf+session", "bearer"],
        };
        assert_eq!(ways, expected, "{key:?}");
        assert!(told["responses"]["default"].is_object(), "{key:?} says nothing of other failures");
        assert!(
            !told["summary"].as_str().unwrap_or_default().is_empty(),
            "{key:?} does not say what it does"
        );
        walked.insert(key);
    }
    let never_there: Vec<_> = described.keys().filter(|key| !walked.contains(key)).collect();
    assert!(never_there.is_empty(), "described, and not there: {never_there:?}");
}

/// The schemes that go together, joined.
fn way(way: &Value) -> &'static str {
    let names: BTreeSet<&str> =
        way.as_object().expect("a way has names").keys().map(String::as_str).collect();
    match names.into_iter().collect::<Vec<_>>()[..] {
        [] => "",
        ["bearer"] => "bearer",
        ["service_key"] => "service_key",
        ["session"] => "session",
        ["csrf", "session"] => "csrf+session",
        ["csrf", "refresh"] => "csrf+refresh",
        ref other => panic!("an unknown way: {other:?}"),
    }
}

#[tokio::test]
async fn every_reference_of_the_description_leads_somewhere() {
    let server = TestServer::start(DatabaseKind::Sqlite).await;
    let document = document(&server).await;
    let text = document.to_string();
    let mut references = 0;
    for part in text.split("\"$ref\":\"").skip(1) {
        let reference = part.split('"').next().unwrap();
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        references += 1;
    }
    assert!(references > 20, "{references}");
}

#[tokio::test]
async fn people_read_the_same_on_a_page() {
    let server = TestServer::start(DatabaseKind::Sqlite).await;
    let document = document(&server).await;
    let page = server.browser().get("/api/docs").await;
    assert_eq!(page.status, 200);
    for ((method, path), told) in operations(&document) {
        assert!(page.text.contains(&format!("<code>{method} {path}</code>")), "{method} {path}");
        assert!(page.text.contains(&format!("id=\"{}\"", told["operationId"].as_str().unwrap())), "{path}");
    }
}
