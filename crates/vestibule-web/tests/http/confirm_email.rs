use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use time::Duration;
use vestibule::models::{Client, MailKind};
use vestibule::services::SignUp;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Browser, PASSWORD, TestServer};

use crate::signed_up;

const ANN: &str = "ann@example.com";
const CONFIRM: &str = "/api/auth/confirm-email";

async fn is_verified(server: &TestServer, email: &str) -> bool {
    server.house.user(email).await.expect("the user is there").is_email_verified
}

async fn confirm(browser: &mut Browser, body: Value) -> (u16, String) {
    let answer = browser.call(Method::POST, CONFIRM, Some(&body)).await;
    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), code)
}

#[rstest]
#[tokio::test]
async fn the_link_with_the_session_confirms_once(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let token = server.house.mailed_token(ANN).await;
    let answer = browser.call(Method::POST, CONFIRM, Some(&json!({ "token": token }))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["user"]["is_email_verified"]), (200, &json!(true)));
    assert_eq!(browser.session().await.json()["user"]["is_email_verified"], true);
    assert_eq!(confirm(&mut browser, json!({ "token": token })).await, (400, "token_invalid".into()));
}

#[rstest]
#[tokio::test]
async fn without_a_session_the_password_is_asked_for_and_nothing_burns_the_token(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    let token = server.house.mailed_token(ANN).await;
    let mut stranger = signed_up(&server, "eve").await;
    for browser in [&mut server.browser(), &mut stranger] {
        let refused = confirm(browser, json!({ "token": token })).await;
        assert_eq!(refused, (401, "unauthenticated".into()));
        let wrong = json!({ "token": token, "password": "wrong window thursday" });
        assert_eq!(confirm(browser, wrong).await, (401, "invalid_credentials".into()));
        let empty = json!({ "token": token, "password": "" });
        assert_eq!(confirm(browser, empty).await, (422, "invalid_input".into()));
    }
    assert!(!is_verified(&server, ANN).await);
    let right = json!({ "token": token, "password": PASSWORD });
    assert_eq!(confirm(&mut server.browser(), right).await.0, 200);
    assert!(is_verified(&server, ANN).await && !is_verified(&server, "eve@example.com").await);
}

#[rstest]
#[tokio::test]
async fn what_is_no_token_is_refused_as_input_or_as_a_token(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    for body in [json!({}), json!({ "token": "" }), json!({ "token": "  " }), json!({ "token": null })] {
        assert_eq!(confirm(&mut browser, body.clone()).await, (422, "invalid_input".into()), "{body}");
    }
    for body in [json!({ "token": 7 }), json!({ "token": [] }), json!({ "token": {} })] {
        assert_eq!(confirm(&mut browser, body.clone()).await, (422, "invalid_input".into()), "{body}");
    }
    for token in ["x", "null", &"A".repeat(43), &"A".repeat(60_000), "%00", "' OR 1=1 --"] {
        let refused = confirm(&mut browser, json!({ "token": token })).await;
        assert_eq!(refused, (400, "token_invalid".into()), "{token:.50}");
    }
    assert!(!is_verified(&server, ANN).await);
}

#[rstest]
#[tokio::test]
async fn opening_the_link_changes_nothing(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let token = server.house.mailed_token(ANN).await;
    let path = format!("/confirm-email?token={token}");
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        for headers in [&[][..], &[("sec-purpose", "prefetch")], &[("purpose", "prefetch")]] {
            let answer = browser.send(method.clone(), &path, headers, "").await;
            assert!(answer.status.as_u16() == 200 || method == Method::OPTIONS, "{answer:?}");
            server.anonymous().send(method.clone(), &path, headers, "").await;
        }
    }
    let page = browser.get(&path).await;
    assert_eq!(page.header("referrer-policy"), Some("strict-origin"));
    assert_eq!(page.header("cache-control"), Some("private, no-store"));
    assert!(!page.text.contains("<script>") && page.text.contains("Confirm my address"), "{page:?}");
    assert!(!is_verified(&server, ANN).await);
    let answer = browser.post_form("/confirm-email", &[("token", &token)]).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/confirm-email/done"));
    assert!(is_verified(&server, ANN).await);
    assert!(browser.get("/confirm-email/done").await.text.contains("is confirmed"));
}

#[rstest]
#[tokio::test]
async fn the_page_asks_a_stranger_for_the_password_and_keeps_the_token(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    let token = server.house.mailed_token(ANN).await;
    let mut browser = server.browser();
    let page = browser.get(&format!("/confirm-email?token={token}")).await;
    assert!(page.text.contains("name=\"password\"") && page.text.contains(&token), "{page:?}");
    for (password, status) in [("", 401), ("wrong window thursday", 401), (PASSWORD, 303)] {
        let answer = browser.post_form("/confirm-email", &[("token", &token), ("password", password)]).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("referrer-policy"), Some("strict-origin"));
        assert!(status == 303 || answer.text.contains(&token), "the token is kept: {answer:?}");
    }
    assert!(is_verified(&server, ANN).await);
    let over = browser.post_form("/confirm-email", &[("token", &token), ("password", PASSWORD)]).await;
    assert_eq!(over.status, 400);
    assert!(over.text.contains("This link is over"), "{over:?}");
    assert!(browser.get("/confirm-email").await.text.contains("This link is over"));
}

#[rstest]
#[tokio::test]
async fn a_page_whose_access_token_is_over_confirms_all_the_same(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let token = server.house.mailed_token(ANN).await;
    server.clock.advance(Duration::hours(1));
    let answer = browser.post_form("/confirm-email", &[("token", &token)]).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/confirm-email/done"));
}

#[rstest]
#[tokio::test]
async fn a_program_confirms_with_its_access_token(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let token = server.house.mailed_token(ANN).await;
    let program = server.program(browser.cookie("vestibule_access").unwrap());
    let body = json!({ "token": token }).to_string();
    let json = [("content-type", "application/json")];
    assert_eq!(program.send(Method::POST, CONFIRM, &json, &body).await.status, 200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_requests_with_one_token_confirm_once(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let token = server.house.mailed_token(ANN).await;
    let requests = (0..16).map(|_| {
        let (browser, body) = (browser.clone(), json!({ "token": token }));
        tokio::spawn(async move { browser.call_and_lose(Method::POST, CONFIRM, Some(&body)).await })
    });
    let mut statuses = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        statuses.push(request.await.unwrap().status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [&[200][..], &[400; 15]].concat());
}

#[rstest]
#[tokio::test]
async fn the_mail_is_sent_again_until_it_was_sent_too_often(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let first = server.house.mailed_token(ANN).await;
    let resend = "/api/auth/confirm-email/resend";
    assert_eq!(browser.call(Method::POST, resend, None).await.status, 202);
    let second = server.house.mailed_token(ANN).await;
    assert_eq!(confirm(&mut browser, json!({ "token": first })).await.0, 400, "the newer ends the older");
    for _ in 0..4 {
        assert_eq!(browser.call(Method::POST, resend, None).await.status, 202);
    }
    let refused = browser.call(Method::POST, resend, None).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "too_many_requests"));
    assert_eq!(refused.header("retry-after"), Some("720"));
    let page = browser.post_form("/confirm-email/resend", &[]).await;
    assert_eq!((page.status.as_u16(), page.header("retry-after")), (429, Some("720")));
    server.house.deliver().await;
    // Those between are not sent at all: their links would be over before anybody could open them.
    assert_eq!(server.house.post.kinds_for(ANN), [MailKind::ConfirmEmail; 3]);
    assert_eq!(confirm(&mut browser, json!({ "token": second })).await.0, 400);
    let third = server.house.mailed_token(ANN).await;
    assert_eq!(confirm(&mut browser, json!({ "token": third })).await.0, 200);
    let refused = browser.call(Method::POST, resend, None).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "conflict"));
    server.clock.advance(Duration::hours(2));
    assert_eq!(browser.post_form("/confirm-email/resend", &[]).await.location(), "/confirm-email/resend");
    assert!(browser.get("/confirm-email/resend").await.text.contains("All is well"));
}

#[rstest]
#[tokio::test]
async fn who_signed_up_with_a_foreign_address_gets_nothing_from_its_owner(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let typed = SignUp { name: "Eve", email: ANN, password: "eves window thursday", devices: &[] };
    server.house.accounts.sign_up(typed, &Client::default()).await.unwrap();
    let token = server.house.mailed_token(ANN).await;
    // The owner opens the link, logged in nowhere, or to an account of their own.
    let mut owner = signed_up(&server, "bob").await;
    owner.get(&format!("/confirm-email?token={token}")).await;
    let answer = owner.post_form("/confirm-email", &[("token", &token)]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(!is_verified(&server, ANN).await);
}
