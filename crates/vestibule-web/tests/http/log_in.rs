use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{PASSWORD, TestServer};

use crate::{ACCESS, CSRF, REFRESH, is_logged_in, signed_up};

const PATH: &str = "/api/auth/log-in";

#[rstest]
#[tokio::test]
async fn a_log_in_answers_as_a_sign_up_does(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    server.clock.advance(time::Duration::hours(1));

    let mut browser = server.browser();
    let answer = browser.log_in("ann").await;
    assert_eq!(answer.status, 200);
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.json(), { ".user.id" => "[id]", ".session.id" => "[id]" }, @r#"
        {
          "session": {
            "created_at": "2026-05-01T13:00:00Z",
            "current": true,
            "expires_at": "2026-05-08T13:00:00Z",
            "id": "[id]",
            "ip": "127.0.0.1",
            "last_seen_at": "2026-05-01T13:00:00Z",
            "user_agent": null
          },
          "user": {
            "created_at": "2026-05-01T12:00:00Z",
            "email": "ann@example.com",
            "id": "[id]",
            "is_email_verified": false,
            "name": "ann",
            "role": "user"
          }
        }
        "#);
        insta::assert_json_snapshot!(answer.cookies_without_values(), @r#"
        [
          "vestibule_access=…; Path=/; Max-Age=300; SameSite=Lax; HttpOnly",
          "vestibule_refresh=…; Path=/; Max-Age=604800; SameSite=Lax; HttpOnly",
          "vestibule_csrf=…; Path=/; Max-Age=34560000; SameSite=Lax",
          "vestibule_device=…; Path=/; Max-Age=34560000; SameSite=Lax; HttpOnly"
        ]
        "#);
    }
    assert!(is_logged_in(&browser).await);
}

#[rstest]
#[tokio::test]
async fn wrong_unknown_and_disabled_are_answered_alike(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    signed_up(&server, "dan").await;
    server.house.set_disabled("dan@example.com", true).await;

    let too_long = "p".repeat(5000);
    let mut answers = Vec::new();
    for (email, password) in [
        ("ann@example.com", "not the password"),
        ("ann@example.com", "x"),
        ("ann@example.com", too_long.as_str()),
        ("nobody@example.com", PASSWORD),
        ("dan@example.com", PASSWORD),
    ] {
        let body = json!({ "email": email, "password": password });
        let answer = server.anonymous().post_json(PATH, &body).await;
        let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        answers.push((answer.status, answer.text.clone(), headers));
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    assert_eq!(answers[0].0, 401);
    insta::allow_duplicates! {
        insta::assert_snapshot!(answers[0].1, @r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The email address or the password is not right.","code":"invalid_credentials"}"#);
    }
}

#[rstest]
#[tokio::test]
async fn what_is_no_log_in_at_all_is_refused_as_input(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    for (body, field) in [
        (json!({}), "email"),
        (json!({ "email": "ann@example.com" }), "password"),
        (json!({ "email": "ann@example.com", "password": "" }), "password"),
        (json!({ "email": "ann@example.com", "password": null }), "password"),
        (json!({ "email": "ann@example.com", "password": ["x"] }), "password"),
        (json!({ "email": { "$ne": null }, "password": "x" }), "email"),
        (json!({ "email": "ann", "password": "x" }), "email"),
    ] {
        let answer = server.anonymous().post_json(PATH, &body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "invalid_input"), "{body}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{body}");
        assert!(answer.set_cookies().is_empty());
    }
}

#[rstest]
#[tokio::test]
async fn the_address_may_be_typed_in_any_spelling(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    let body = json!({ "email": "  ANN@Example.com ", "password": PASSWORD, "role": "admin" });
    let answer = server.anonymous().post_json(PATH, &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["user"]["role"], "user");
}

#[rstest]
#[tokio::test]
async fn every_log_in_begins_a_session_that_is_new_in_all_its_parts(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let before = browser.clone();
    browser
        .call(Method::POST, PATH, Some(&json!({ "email": "ann@example.com", "password": PASSWORD })))
        .await;
    let parts = |cookie: &str| cookie.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (old, new) = (parts(before.cookie(REFRESH).unwrap()), parts(browser.cookie(REFRESH).unwrap()));
    for (old, new) in old.iter().zip(&new) {
        assert_ne!(old, new);
    }
    assert_ne!(before.cookie(ACCESS), browser.cookie(ACCESS));
    assert_ne!(before.cookie(CSRF), browser.cookie(CSRF));
    assert!(is_logged_in(&browser).await && is_logged_in(&before).await, "the other session goes on");
}

#[rstest]
#[tokio::test]
async fn a_wrong_password_leaves_the_cookies_of_a_session_alone(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let body = json!({ "email": "ann@example.com", "password": "not the password" });
    let answer = browser.call(Method::POST, PATH, Some(&body)).await;
    assert_eq!(answer.status, 401);
    assert!(answer.set_cookies().is_empty());
    assert!(is_logged_in(&browser).await);
}
