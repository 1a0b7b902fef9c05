use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use uuid::Uuid;
use vestibule_sql::Database;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, PASSWORD, ServerOptions, TestDatabase, TestServer};
use vestibule_web::{Routes, Vestibule, Who};

use crate::{DEVICE, FORM, https_server, signed_up};

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

/// What every answer carries, on https too.
const PROTECTION: [(&str, &str); 3] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// What those carry besides that are no JSON: whatever may be looked at as a page.
const OF_PAGES: [(&str, &str); 3] = [
    ("cross-origin-opener-policy", "same-origin"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (
        "permissions-policy",
        "camera=(), display-capture=(), geolocation=(), hid=(), microphone=(), midi=(), payment=(), serial=(), usb=()",
    ),
];

fn assert_protected(answer: &Answer, what: &str) {
    for (name, value) in PROTECTION {
        assert_eq!(answer.header(name), Some(value), "{what}");
    }
    assert!(answer.header("cache-control").is_some(), "{what}");
    assert!(answer.header("access-control-allow-origin").is_none(), "{what}: other origins read nothing");
    assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none(), "{what}");
    let kind = answer.header("content-type").unwrap_or_default();
    if ["application/json", "application/problem+json"].contains(&kind) {
        let policy = "default-src 'none'; frame-ancestors 'none'";
        assert_eq!(answer.header("content-security-policy"), Some(policy), "{what}");
        return;
    }
    for (name, value) in OF_PAGES {
        assert_eq!(answer.header(name), Some(value), "{what}");
    }
    let path = what.split(' ').nth(1).unwrap_or_default();
    let has_token =
        ["/confirm-email", "/confirm-sign-up", "/confirm-sign-up/decline", "/reset-password"].contains(&path);
    let referrer = if has_token { "strict-origin" } else { "same-origin" };
    assert_eq!(answer.header("referrer-policy"), Some(referrer), "{what}");
}

/// As a stranger, and with a session.
#[rstest]
#[tokio::test]
async fn every_answer_of_every_route_carries_the_headers_of_protection(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let ann = signed_up(&server, "ann").await;
    for route in &server.list {
        let path =
            route.path.replace("{*file}", "vestibule.css").replace("{id}", "x").replace("{session}", "x");
        let what = format!("{} {path}", route.method);
        let headers = [("x-csrf-token", ann.csrf())];
        let answer = server.anonymous().send(route.method.clone(), &path, &headers, "").await;
        assert_protected(&answer, &what);
        let answer = ann.send_and_lose(route.method.clone(), &path, &headers, "").await;
        assert_protected(&answer, &what);
        assert_eq!(
            answer.header("strict-transport-security"),
            None,
            "{what}: plain http is all there is at home"
        );
    }
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_answered_is_protected_too(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let large = "a".repeat(70_000);
    for (method, path, body, status) in [
        (Method::GET, "/nowhere", "", 404),
        (Method::GET, "/api/nowhere", "", 404),
        (Method::GET, "/assets/nothing.css", "", 404),
        (Method::DELETE, "/log-in", "", 405),
        (Method::POST, "/log-in", large.as_str(), 413),
        (Method::POST, "/log-in", "x=%", 401),
        (Method::GET, "/api/panic", "", 500),
        (Method::HEAD, "/log-in", "", 200),
    ] {
        let answer = server.anonymous().send(method.clone(), path, &[FORM], body.to_owned()).await;
        if status != 401 {
            assert_eq!(answer.status, status, "{method} {path}");
        }
        assert_protected(&answer, &format!("{method} {path}"));
    }
}

#[rstest]
#[tokio::test]
async fn on_https_every_answer_says_that_it_stays_so_for_this_host_alone(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = https_server(kind).await;
    for path in
        ["/", "/log-in", "/nowhere", "/api/panic", "/assets/vestibule.css", "/api/auth/session", "/healthz"]
    {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"), "{path}");
        assert_protected(&answer, &format!("GET {path}"));
    }
}

#[rstest]
#[tokio::test]
async fn who_leaves_leaves_nothing_in_the_browser_but_its_name(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let password = json!({ "current_password": PASSWORD });
    let forms: [(&str, &[(&str, &str)]); 2] =
        [("/log-out", &[]), ("/account/delete", &[("current_password", PASSWORD)])];
    let mut left = Vec::new();
    for (number, (path, fields)) in forms.into_iter().enumerate() {
        let mut browser = signed_up(&server, &format!("page{number}")).await;
        left.push((path.to_owned(), browser.post_form(path, fields).await, browser));
    }
    for (method, path, body) in
        [(Method::POST, "/api/auth/log-out", None), (Method::DELETE, "/api/account", Some(&password))]
    {
        let mut browser = signed_up(&server, &format!("api{}", left.len())).await;
        left.push((path.to_owned(), browser.call(method, path, body).await, browser));
    }
    for is_page in [true, false] {
        let mut browser = signed_up(&server, &format!("own{is_page}")).await;
        let own = browser.session().await.json()["session"]["id"].as_str().unwrap().to_owned();
        let (path, answer) = if is_page {
            let path = format!("/account/sessions/{own}/end");
            let answer = browser.post_form(&path, &[]).await;
            (path, answer)
        } else {
            let path = format!("/api/account/sessions/{own}");
            let answer = browser.call(Method::DELETE, &path, None).await;
            (path, answer)
        };
        left.push((path, answer, browser));
    }
    for (path, answer, browser) in left {
        assert!([204, 303].contains(&answer.status.as_u16()), "{path}: {answer:?}");
        assert_eq!(answer.header("clear-site-data"), Some("\"cache\", \"storage\""), "{path}");
        assert_eq!(answer.header("cache-control"), Some("private, no-store"), "{path}");
        assert!(browser.cookie_names().is_empty() && browser.cookie(DEVICE).is_some(), "{path}");
    }
    // Whose session merely ended, or who ends another one, keeps drafts and all.
    let mut browser = signed_up(&server, "ann").await;
    let mut other = server.browser();
    other.log_in("ann").await;
    let id = other.session().await.json()["session"]["id"].as_str().unwrap().to_owned();
    let answer = browser.call(Method::DELETE, &format!("/api/account/sessions/{id}"), None).await;
    assert_eq!((answer.status.as_u16(), answer.header("clear-site-data")), (204, None));
    let answer = other.session().await;
    assert_eq!((answer.status.as_u16(), answer.header("clear-site-data")), (401, None));
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
