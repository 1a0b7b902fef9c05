use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use vestibule::models::MailKind;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Browser, PASSWORD, TestServer};

use crate::signed_up;

const ANN: &str = "ann@example.com";
const NEW: &str = "new@example.org";

async fn ask_for(browser: &mut Browser, email: &str) -> u16 {
    let body = json!({ "email": email, "current_password": PASSWORD });
    browser.call(Method::POST, "/api/account/email", Some(&body)).await.status.as_u16()
}

#[rstest]
#[tokio::test]
async fn the_account_shows_the_pending_address_and_cancels_it(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    assert!(!browser.get("/account").await.text.contains("/account/email/cancel"));
    assert_eq!(ask_for(&mut browser, NEW).await, 202);
    let page = browser.get("/account").await;
    assert!(page.text.contains(NEW) && page.text.contains("/account/email/cancel"), "{page:?}");
    let token = server.house.mailed_token(NEW).await;
    let done = browser.post_form("/account/email/cancel", &[]).await;
    assert_eq!((done.status.as_u16(), done.location()), (303, "/account?done=email-kept#email"));
    let page = browser.get(done.location()).await;
    assert!(page.text.contains("stays as it is") && !page.text.contains(NEW), "{page:?}");
    let answer =
        browser.call(Method::POST, "/api/auth/confirm-email", Some(&json!({ "token": token }))).await;
    assert_eq!(answer.code(), "token_invalid");

    assert_eq!(ask_for(&mut browser, NEW).await, 202);
    for _ in 0..2 {
        let answer = browser.call(Method::DELETE, "/api/account/email", None).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    }
    server.house.deliver().await;
    assert_eq!(server.house.post.kinds_for(NEW), [MailKind::ConfirmNewEmail], "the one from before");
}

#[rstest]
#[tokio::test]
async fn nobody_gives_their_address_away_with_one_click(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    assert_eq!(ask_for(&mut browser, NEW).await, 202);
    let token = server.house.mailed_token(NEW).await;
    let path = format!("/confirm-email?token={token}");
    let own = browser.get(&path).await;
    assert!(
        own.text.contains(NEW) && own.text.contains(ANN) && own.text.contains("takes the place of"),
        "{own:?}"
    );
    // Whoever else got the link learns no address but that of their own mailbox.
    let mut eve = signed_up(&server, "eve").await;
    for page in [eve.get(&path).await, server.browser().get(&path).await] {
        assert!(page.text.contains(NEW) && !page.text.contains(ANN), "{page:?}");
    }
}

#[rstest]
#[tokio::test]
async fn an_address_that_somebody_got_first_is_told_as_taken(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    assert_eq!(ask_for(&mut browser, "bob@example.com").await, 202);
    let token = server.house.mailed_token("bob@example.com").await;
    signed_up(&server, "bob").await;
    let answer =
        browser.call(Method::POST, "/api/auth/confirm-email", Some(&json!({ "token": token }))).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "email_taken"));
    let page = browser.post_form("/confirm-email", &[("token", &token)]).await;
    assert!(page.status == 409 && page.text.contains("There is an account with this address"), "{page:?}");
    assert_eq!(browser.session().await.json()["user"]["email"], ANN);
}

#[rstest]
#[tokio::test]
async fn too_many_new_addresses_are_refused_with_a_time(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    for _ in 0..5 {
        assert_eq!(ask_for(&mut browser, NEW).await, 202);
    }
    let body = json!({ "email": NEW, "current_password": PASSWORD });
    let refused = browser.call(Method::POST, "/api/account/email", Some(&body)).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "too_many_requests"));
    assert_eq!(refused.header("retry-after"), Some("3600"));
    let fields = [("email", NEW), ("current_password", PASSWORD)];
    assert_eq!(browser.post_form("/account/email", &fields).await.status, 429);
}

#[rstest]
#[tokio::test]
async fn the_page_after_the_button_says_what_is_true_for_anyone(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    for page in [server.browser().get("/confirm-email/done").await, browser.get("/confirm-email/done").await]
    {
        assert!(page.status == 200 && !page.text.contains("Your address is confirmed"), "{page:?}");
    }
}
