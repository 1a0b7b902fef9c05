//! What is answered where there is nothing to do: to programs in JSON, to people in a page with the same words.

use reqwest::Method;
use rstest::rstest;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestServer;

use crate::signed_up;

#[rstest]
#[tokio::test]
async fn nothing_at_an_address(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    for path in ["/api/nowhere", "/api/", "/.well-known/nowhere", "/healthz/x"] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(answer.json(), @r#"
            {
              "code": "not_found",
              "detail": "There is nothing at this address.",
              "status": 404,
              "title": "Not Found",
              "type": "about:blank"
            }
            "#);
        }
    }
    for path in ["/nowhere", "/api", "/log-in/x", "/assets/nowhere.css"] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(answer.text.contains("There is nothing at this address."), "{path}");
    }
}

#[rstest]
#[tokio::test]
async fn a_method_that_an_address_does_not_take(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    for (method, path, allowed) in [
        (Method::GET, "/api/auth/log-in", "POST"),
        (Method::PUT, "/api/auth/sign-up", "POST"),
        (Method::DELETE, "/api/auth/session", "GET,HEAD"),
        (Method::OPTIONS, "/api/auth/session", "GET,HEAD"),
        (Method::POST, "/.well-known/jwks.json", "GET,HEAD"),
        (Method::TRACE, "/healthz", "GET,HEAD"),
    ] {
        let answer = server.anonymous().send(method.clone(), path, &[], "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (405, "method_not_allowed"),
            "{method} {path}"
        );
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    let answer = server.anonymous().send(Method::DELETE, "/log-in", &[], "").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.text.contains("This address does not take this method."));
    assert!(answer.header("allow").is_some(), "the error page keeps it");
}

#[rstest]
#[tokio::test]
async fn a_page_that_is_not_for_this_account(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let answer = browser.get("/test/admin").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.text.contains("Your account may not do that."));
    assert_eq!(browser.call(Method::GET, "/api/test/admin", None).await.code(), "forbidden");
}

#[rstest]
#[tokio::test]
async fn a_panic_is_told_without_its_words_and_the_server_goes_on(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let answer = server.anonymous().get("/api/panic").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (500, "internal"));
    assert!(!answer.text.contains("panics"), "{answer:?}");
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(server.anonymous().get("/healthz").await.status, 200);
}

#[rstest]
#[tokio::test]
async fn head_is_answered_like_get_without_a_body(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    for (path, status) in
        [("/log-in", 200), ("/dashboard", 200), ("/api/auth/session", 200), ("/test/admin", 403)]
    {
        let answer = browser.send(Method::HEAD, path, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, ""), "{path}");
    }
    let answer = server.anonymous().send(Method::HEAD, "/dashboard", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/log-in?next=%2Fdashboard"));
}
