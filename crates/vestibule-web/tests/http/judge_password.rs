//! The hint beside a new password says what the form then says, whoever's password it is to be.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use time::Duration;
use vestibule::models::MailKind;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Browser, PASSWORD, TestServer};

const JUDGE: &str = "/api/auth/check-password";
/// A name that is no word, so that what is made of it is weak for its bearer alone.
const NAME: &str = "qvortumblix";
const EMAIL: &str = "qvortumblix@example.com";
const OWN_NAME: &str = "qvortumblix2026";

fn contains(page: &str, hint: &Value) -> bool {
    page.contains(&hint["message"].as_str().expect("a hint has words").replace('"', "&#34;"))
}

async fn judged(browser: &mut Browser, body: Value) -> Value {
    let answer = browser.call(Method::POST, JUDGE, Some(&body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[rstest]
#[tokio::test]
async fn a_change_is_judged_with_the_name_and_the_address_of_who_is_logged_in(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = server.browser();
    browser.sign_up(NAME).await;
    for body in [json!({ "password": OWN_NAME }), json!({ "password": OWN_NAME, "own": true })] {
        let hint = judged(&mut browser, body).await;
        assert_eq!(hint["acceptable"], false);
        let fields = [("current_password", PASSWORD), ("new_password", OWN_NAME)];
        let told = browser.post_form("/account/password", &fields).await;
        assert_eq!(told.status, 422);
        assert!(contains(&told.text, &hint), "{hint} {}", told.text);
    }
    let good = judged(&mut browser, json!({ "password": "velvet orchard seventeen", "own": true })).await;
    assert_eq!(good["acceptable"], true);

    let mut other = server.browser();
    other.sign_up("ann").await;
    assert_eq!(judged(&mut other, json!({ "password": OWN_NAME })).await["acceptable"], true);
    let typed = json!({ "password": OWN_NAME, "name": NAME, "email": EMAIL });
    assert_eq!(judged(&mut other, typed).await["acceptable"], false, "what is typed counts for who signs up");
}

#[rstest]
#[tokio::test]
async fn nothing_is_praised_while_the_one_whose_it_is_to_be_is_not_known(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = server.browser();
    browser.sign_up(NAME).await;
    let body = json!({ "password": OWN_NAME, "own": true });
    // Their access token is over, as after some minutes on a page.
    browser.drop_cookie("vestibule_access");
    let answer = browser.call(Method::POST, JUDGE, Some(&body)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "unauthenticated"));
    browser.call(Method::POST, "/api/auth/refresh", None).await;
    assert_eq!(judged(&mut browser, body).await["acceptable"], false);
}

#[rstest]
#[tokio::test]
async fn a_reset_is_judged_with_the_name_and_the_address_of_the_links_owner(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    server.browser().sign_up(NAME).await;
    server.anonymous().post_json("/api/auth/forgot-password", &json!({ "email": EMAIL })).await;
    server.house.deliver().await;
    let token = server.house.post.token_of(MailKind::ResetPassword, EMAIL);
    let mut stranger = server.browser();
    let hint = judged(&mut stranger, json!({ "password": OWN_NAME, "token": token })).await;
    assert_eq!(hint["acceptable"], false);
    let told = stranger.post_form("/reset-password", &[("token", &token), ("password", OWN_NAME)]).await;
    assert_eq!(told.status, 422);
    assert!(contains(&told.text, &hint), "{hint} {}", told.text);

    // The questions have not used the link up.
    let new = "velvet orchard seventeen";
    assert_eq!(judged(&mut stranger, json!({ "password": new, "token": token })).await["acceptable"], true);
    let done = stranger.post_form("/reset-password", &[("token", &token), ("password", new)]).await;
    assert_eq!(done.status, 303);
    for over in [token.as_str(), "none"] {
        let answer =
            stranger.call(Method::POST, JUDGE, Some(&json!({ "password": new, "token": over }))).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "token_invalid"), "{over}");
    }
}

#[rstest]
#[tokio::test]
async fn a_link_that_is_too_old_says_nothing_of_its_owner(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    server.browser().sign_up(NAME).await;
    server.anonymous().post_json("/api/auth/forgot-password", &json!({ "email": EMAIL })).await;
    server.house.deliver().await;
    let token = server.house.post.token_of(MailKind::ResetPassword, EMAIL);
    server.house.clock.advance(Duration::minutes(31));
    let body = json!({ "password": OWN_NAME, "token": token });
    assert_eq!(server.anonymous().post_json(JUDGE, &body).await.code(), "token_invalid");
}

#[rstest]
#[tokio::test]
async fn another_site_gets_no_judgement(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let headers = [("content-type", "application/json"), ("sec-fetch-site", "cross-site")];
    let body = json!({ "password": PASSWORD }).to_string();
    let answer = server.anonymous().send(Method::POST, JUDGE, &headers, body).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "csrf_failed"));
}
