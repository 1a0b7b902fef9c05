use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use time::Duration;
use vestibule::Policy;
use vestibule::models::MailKind;
use vestibule::ports::MailError;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Browser, HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer};

use crate::{is_logged_in, signed_up};

const ANN: &str = "ann@example.com";
const FORGOT: &str = "/api/auth/forgot-password";
const RESET: &str = "/api/auth/reset-password";
const NEW: &str = "velvet orchard seventeen";

async fn reset_token(server: &TestServer) -> String {
    let answer = server.anonymous().post_json(FORGOT, &json!({ "email": ANN })).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (202, ""));
    mailed(server).await
}

async fn mailed(server: &TestServer) -> String {
    server.house.deliver().await;
    server.house.post.token_of(MailKind::ResetPassword, ANN)
}

async fn post(server: &TestServer, body: Value) -> (u16, String) {
    let answer = server.anonymous().post_json(RESET, &body).await;
    let code = if answer.text.is_empty() { String::new() } else { answer.code() };
    (answer.status.as_u16(), code)
}

async fn log_in(browser: &mut Browser, password: &str) -> u16 {
    let body = json!({ "email": ANN, "password": password });
    browser.call(Method::POST, "/api/auth/log-in", Some(&body)).await.status.as_u16()
}

#[rstest]
#[tokio::test]
async fn a_reset_ends_every_session_and_counts_as_a_confirmation(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browsers = [signed_up(&server, "ann").await, server.browser()];
    browsers[1].log_in("ann").await;
    let token = reset_token(&server).await;
    assert_eq!(post(&server, json!({ "token": token, "password": NEW })).await, (204, String::new()));
    for browser in &mut browsers {
        assert!(!is_logged_in(browser).await);
        assert_eq!(browser.refresh().await.status, 401);
    }
    assert!(server.house.user(ANN).await.unwrap().is_email_verified);
    assert_eq!(log_in(&mut server.browser(), PASSWORD).await, 401);
    assert_eq!(log_in(&mut server.browser(), NEW).await, 200);
    assert_eq!(
        post(&server, json!({ "token": token, "password": NEW })).await,
        (400, "token_invalid".into())
    );
    server.house.deliver().await;
    assert!(server.house.post.kinds_for(ANN).contains(&MailKind::PasswordChanged));
}

#[rstest]
#[tokio::test]
async fn a_password_that_is_refused_does_not_burn_the_token(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    let token = reset_token(&server).await;
    for password in ["", "short", "password1234", "ann@example.com", &"x".repeat(300)] {
        let refused = post(&server, json!({ "token": token, "password": password })).await;
        assert_eq!(refused, (422, "invalid_input".into()), "{password}");
    }
    for body in [json!({ "password": NEW }), json!({ "token": "", "password": NEW })] {
        assert_eq!(post(&server, body).await, (422, "invalid_input".into()));
    }
    assert_eq!(post(&server, json!({ "token": "x", "password": NEW })).await, (400, "token_invalid".into()));
    assert_eq!(post(&server, json!({ "token": token, "password": NEW })).await.0, 204);
}

#[rstest]
#[tokio::test]
async fn a_link_that_is_old_or_was_followed_by_another_is_refused(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    let first = reset_token(&server).await;
    let second = reset_token(&server).await;
    assert_eq!(post(&server, json!({ "token": first, "password": NEW })).await.0, 400);
    server.clock.advance(Duration::minutes(30));
    assert_eq!(post(&server, json!({ "token": second, "password": NEW })).await.0, 400);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_requests_with_one_token_reset_once(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    let token = reset_token(&server).await;
    let requests = (0..16).map(|number| {
        let anonymous = server.anonymous();
        let body = json!({ "token": token, "password": format!("{NEW} {number}") });
        tokio::spawn(async move { anonymous.post_json(RESET, &body).await })
    });
    let mut statuses = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        statuses.push(request.await.unwrap().status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [&[204][..], &[400; 15]].concat());
}

#[rstest]
#[tokio::test]
async fn a_link_confirms_or_resets_and_never_does_the_others_work(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let confirming = server.house.mailed_token(ANN).await;
    let resetting = reset_token(&server).await;
    let access = browser.cookie("vestibule_access").unwrap().to_owned();
    let refresh = browser.cookie("vestibule_refresh").unwrap().to_owned();
    let device = browser.cookie("vestibule_device").unwrap().to_owned();
    let csrf = browser.csrf().to_owned();
    for token in [&confirming, &access, &refresh, &device, &csrf] {
        let answer = post(&server, json!({ "token": token, "password": NEW })).await;
        assert_eq!(answer, (400, "token_invalid".into()), "{token}");
    }
    for token in [&resetting, &access, &refresh, &device, &csrf] {
        let body = json!({ "token": token });
        let answer = browser.call(Method::POST, "/api/auth/confirm-email", Some(&body)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "token_invalid"), "{token}");
    }
    for token in [&confirming, &resetting, &device, &csrf] {
        assert_eq!(server.program(token).get("/api/auth/session").await.status, 401, "{token}");
        let mut other = server.browser();
        for name in ["vestibule_access", "vestibule_refresh", "vestibule_csrf"] {
            other.set_cookie(name, token);
        }
        assert_eq!(other.session().await.status, 401, "{token}");
        assert_eq!(other.refresh().await.status, 401, "{token}");
    }
    assert_eq!(post(&server, json!({ "token": resetting, "password": NEW })).await.0, 204);
}

#[rstest]
#[tokio::test]
async fn whether_anybody_has_the_address_is_not_told_even_while_no_mail_goes(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    server.house.set_disabled(ANN, false).await;
    server.house.post.fail_with(MailError::TryAgain("no mail server".into()));
    let mut told = Vec::new();
    for email in [ANN, "nobody@example.com", "ANN@example.com ", ANN, ANN, ANN, ANN, ANN] {
        let answer = server.anonymous().post_json(FORGOT, &json!({ "email": email })).await;
        let page = server.anonymous().post_form("/forgot-password", &[("email", email)]).await;
        let without_id = |answer: &vestibule_testkit::Answer| {
            let mut headers = answer.headers.clone();
            headers.remove("x-request-id");
            headers.remove("date");
            format!("{} {headers:?} {}", answer.status, answer.text)
        };
        told.push((without_id(&answer), without_id(&page)));
        server.house.deliver().await;
    }
    assert!(told.iter().all(|answers| *answers == told[0]), "{told:#?}");
    assert!(told[0].0.starts_with("202") && told[0].1.contains("/forgot-password/sent"), "{told:?}");
    for email in ["", "ann", "ann@example.com, eve@example.com"] {
        let answer = server.anonymous().post_json(FORGOT, &json!({ "email": email })).await;
        assert_eq!(answer.status, 422, "{email}");
    }
}

#[rstest]
#[tokio::test]
async fn the_pages_lead_from_the_forgotten_password_to_the_log_in(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    let mut browser = server.browser();
    assert!(browser.get("/log-in").await.text.contains("href=\"/forgot-password\""));
    let mistyped = browser.post_form("/forgot-password", &[("email", "ann(at)example.com")]).await;
    assert_eq!(mistyped.status, 422);
    assert!(mistyped.text.contains("value=\"ann(at)example.com\""), "{mistyped:?}");
    let sent = browser.post_form("/forgot-password", &[("email", ANN)]).await;
    assert_eq!((sent.status.as_u16(), sent.location()), (303, "/forgot-password/sent"));
    assert!(browser.get(sent.location()).await.text.contains("Look into your mailbox"));

    let token = mailed(&server).await;
    let path = format!("/reset-password?token={token}");
    let page = browser.get(&path).await;
    assert_eq!((page.status.as_u16(), page.header("referrer-policy")), (200, Some("strict-origin")));
    let weak = browser.post_form("/reset-password", &[("token", &token), ("password", "short")]).await;
    assert_eq!(weak.status, 422);
    assert!(weak.text.contains(&token) && !weak.text.contains("value=\"short\""), "{weak:?}");
    // The token may also come in the address alone.
    let done = browser.post_form(&path, &[("password", NEW)]).await;
    assert_eq!((done.status.as_u16(), done.location()), (303, "/log-in?notice=password-reset"));
    assert!(browser.get(done.location()).await.text.contains("Your new password is set"));
    let over = browser.post_form("/reset-password", &[("token", &token), ("password", NEW)]).await;
    assert_eq!(over.status, 400);
    assert!(over.text.contains("This link is over") && over.text.contains("/forgot-password"), "{over:?}");
    let nonsense = browser.get("/log-in?notice=%3Cb%3Eyou+have+won").await;
    assert!(nonsense.status == 200 && !nonsense.text.contains("won"), "{nonsense:?}");
}

#[rstest]
#[tokio::test]
async fn no_answer_of_the_page_hands_the_link_on_as_a_referrer(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    let token = reset_token(&server).await;
    let mut browser = server.browser();
    for (token, password, status) in
        [("x", NEW, 400), (token.as_str(), "short", 422), (token.as_str(), NEW, 303)]
    {
        let answer = browser.post_form("/reset-password", &[("token", token), ("password", password)]).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("referrer-policy"), Some("strict-origin"), "{status}");
    }
}

#[rstest]
#[tokio::test]
async fn links_are_made_from_the_public_url_alone(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    signed_up(&server, "ann").await;
    let forged = [
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("forwarded", "host=evil.test"),
        ("content-type", "application/json"),
    ];
    let body = json!({ "email": ANN }).to_string();
    assert_eq!(server.anonymous().send(Method::POST, FORGOT, &forged, body).await.status, 202);
    server.house.deliver().await;
    let mails = server.house.post.delivered();
    let links: Vec<_> = mails.iter().filter_map(vestibule_testkit::link_of).collect();
    assert!(
        links.len() >= 2 && links.iter().all(|link| link.starts_with("http://localhost:3000/")),
        "{links:?}"
    );
}

#[rstest]
#[tokio::test]
async fn where_no_mail_can_be_sent_none_is_promised(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house =
        HouseOptions { policy: |policy| Policy { sends_mail: false, ..policy }, ..HouseOptions::default() };
    let options = ServerOptions { house, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
    let mut browser = server.browser();
    let done = browser.post_form("/forgot-password", &[("email", ANN)]).await;
    assert_eq!(done.location(), "/forgot-password/sent");
    let page = browser.get(done.location()).await;
    assert!(page.text.contains("Ask the people") && !page.text.contains("on its way"), "{page:?}");
    let usual = TestServer::start(kind).await.browser().get("/forgot-password/sent").await;
    assert!(usual.text.contains("on its way") && !usual.text.contains("Ask the people"), "{usual:?}");
}
