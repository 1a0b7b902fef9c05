//! Headers that only a proxy or a framework should send. From a client they change nothing.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{PASSWORD, TestServer};

use crate::{FORM, JSON, sign_up_of, signed_up};

#[rstest]
#[tokio::test]
async fn headers_that_name_internals_open_nothing(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let id = browser.session().await.json()["user"]["id"].as_str().unwrap().to_owned();
    let forged = [
        ("x-middleware-subrequest", "middleware:middleware:middleware:middleware:middleware"),
        ("x-middleware-rewrite", "/dashboard"),
        ("x-user-id", id.as_str()),
        ("remote-user", "ann@example.com"),
        ("x-remote-user", "ann@example.com"),
        ("x-auth-user-id", id.as_str()),
        ("x-auth-email", "ann@example.com"),
        ("x-auth-role", "admin"),
        ("x-forwarded-user", "ann@example.com"),
        ("x-original-url", "/healthz"),
        ("x-rewrite-url", "/healthz"),
        ("x-http-method-override", "GET"),
        ("x-forwarded-proto", "https"),
    ];
    let anonymous = server.anonymous();
    assert_eq!(anonymous.send(Method::GET, "/api/auth/session", &forged, "").await.status, 401);
    assert_eq!(anonymous.send(Method::GET, "/dashboard", &forged, "").await.status, 303);
    assert_eq!(browser.send(Method::GET, "/api/test/admin", &forged, "").await.status, 403);
    assert_eq!(
        browser.send(Method::POST, "/dashboard", &forged, "").await.status,
        403,
        "still no CSRF token"
    );
    let answer = browser.send(Method::GET, "/api/auth/session", &forged, "").await;
    assert_eq!(answer.json()["user"]["role"], "user");
}

#[rstest]
#[tokio::test]
async fn a_foreign_host_changes_nothing_even_in_the_first_request(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let forged = [
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "444"),
        ("x-forwarded-prefix", "//evil.test"),
        ("forwarded", "host=evil.test;proto=https;for=203.0.113.9"),
        ("x-host", "evil.test"),
        JSON,
    ];
    let anonymous = server.anonymous();
    let first = anonymous.send(Method::GET, "/dashboard?a=b", &forged, "").await;
    assert_eq!((first.status.as_u16(), first.location()), (303, "/log-in?next=%2Fdashboard%3Fa%3Db"));
    let page = anonymous.send(Method::GET, "/log-in", &forged, "").await;
    let signed_up =
        anonymous.send(Method::POST, "/api/auth/sign-up", &forged, sign_up_of("ann").to_string()).await;
    assert_eq!(signed_up.status, 201);
    assert!(signed_up.set_cookie("vestibule_access").is_some(), "the names are those of the public URL");
    for answer in [&first, &page, &signed_up] {
        assert!(!format!("{answer:?}").contains("evil.test"), "{answer:?}");
    }
    // And the origin is still that of the public URL.
    let own = [("origin", server.origin()), JSON];
    let body = json!({ "email": "ann@example.com", "password": PASSWORD }).to_string();
    assert_eq!(anonymous.send(Method::POST, "/api/auth/log-in", &own, body.clone()).await.status, 200);
    let foreign = [("origin", "https://evil.test"), ("host", "evil.test"), JSON];
    assert_eq!(anonymous.send(Method::POST, "/api/auth/log-in", &foreign, body).await.status, 403);
}

#[rstest]
#[tokio::test]
async fn a_forged_address_is_not_written_down(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let forged = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-for", "203.0.113.10, 127.0.0.1"),
        ("x-real-ip", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9"),
        ("cf-connecting-ip", "203.0.113.9"),
        ("true-client-ip", "203.0.113.9"),
        ("user-agent", "A test\tof <b>markup</b>"),
        FORM,
    ];
    let mut browser = server.browser();
    let body = format!("name=Ann&email=ann%40example.com&password={}", PASSWORD.replace(' ', "+"));
    let answer = browser.send(Method::POST, "/sign-up", &forged, body).await;
    assert_eq!(answer.status, 303);
    let session = browser.session().await.json()["session"].clone();
    assert_eq!(session["ip"], "127.0.0.1");
    assert_eq!(session["user_agent"], "A test of <b>markup</b>");
    for event in server.house.audit_trail().await {
        assert_eq!(event.client.ip().unwrap().to_string(), "127.0.0.1");
    }
    for mail in server.house.outbox().await {
        assert_eq!(mail.client.ip().unwrap().to_string(), "127.0.0.1");
    }
}
