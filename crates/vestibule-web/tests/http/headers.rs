use reqwest::Method;
use rstest::rstest;
use uuid::Uuid;
use vestibule_sql::Database;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{ServerOptions, TestDatabase, TestServer};
use vestibule_web::{Routes, Vestibule, Who};

use crate::signed_up;

#[rstest]
#[tokio::test]
async fn every_answer_has_an_id_of_its_own_and_not_the_client_s(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let claimed = "0190a6d6-0000-7000-8000-000000000000";
    let mut seen = Vec::new();
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/log-in"),
        (Method::GET, "/dashboard"),
        (Method::GET, "/nowhere"),
        (Method::GET, "/api/nowhere"),
        (Method::DELETE, "/log-in"),
        (Method::GET, "/api/auth/session"),
        (Method::POST, "/api/auth/sign-up"),
        (Method::GET, "/api/panic"),
        (Method::GET, "/healthz"),
        (Method::GET, "/assets/vestibule.css"),
        (Method::HEAD, "/log-in"),
        (Method::OPTIONS, "/api/auth/session"),
    ] {
        let headers = [("x-request-id", claimed)];
        let answer = server.anonymous().send(method.clone(), path, &headers, "").await;
        let ids: Vec<_> = answer.headers.get_all("x-request-id").iter().collect();
        assert_eq!(ids.len(), 1, "{method} {path}");
        let id = ids[0].to_str().unwrap().to_owned();
        assert!(id.parse::<Uuid>().is_ok(), "{method} {path}: {id}");
        assert_ne!(id, claimed);
        assert!(!seen.contains(&id));
        seen.push(id);
    }
}

#[rstest]
#[tokio::test]
async fn every_answer_carries_the_headers_of_protection(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    for path in
        ["/log-in", "/dashboard", "/nowhere", "/api/auth/session", "/assets/vestibule.css", "/api/panic"]
    {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert!(answer.header("cache-control").is_some(), "{path}");
        assert!(answer.header("access-control-allow-origin").is_none(), "{path}: other origins read nothing");
        assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none(), "{path}");
    }
}

#[rstest]
#[tokio::test]
async fn pages_hold_no_script_and_no_style_of_their_own(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    for answer in [browser.get("/log-in").await, browser.get("/sign-up").await, browser.get("/nowhere").await]
    {
        for forbidden in
            ["<script>", "<script src", "<style", " style=", " onclick=", " onload=", "javascript:"]
        {
            assert!(!answer.text.contains(forbidden), "the policy would refuse {forbidden}: {answer:?}");
        }
    }
}

/// A page of an application that lets every cache keep it.
fn public_page(vestibule: &Vestibule, _: &Database) -> Routes {
    Routes::new(vestibule.clone()).page(Who::Anyone, Method::GET, "/public", || async {
        ([("cache-control", "public, max-age=3600")], "for everybody")
    })
}

#[rstest]
#[tokio::test]
async fn an_answer_with_a_cookie_is_private_whatever_its_handler_says(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let options = ServerOptions { routes: public_page, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
    let mut browser = signed_up(&server, "ann").await;
    let answer = browser.get("/public").await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=3600"));
    server.clock.advance(time::Duration::hours(1));
    let answer = browser.get("/public").await;
    assert_eq!(answer.set_cookies().len(), 3, "the page refreshed the session");
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
}

#[rstest]
#[tokio::test]
async fn other_origins_are_allowed_nothing(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let asking = [("origin", "https://evil.test"), ("access-control-request-method", "POST")];
    for path in ["/api/auth/log-in", "/api/auth/session", "/log-in"] {
        let answer = server.anonymous().send(Method::OPTIONS, path, &asking, "").await;
        assert_eq!(answer.status, 405, "{path}");
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{path}");
    }
}
