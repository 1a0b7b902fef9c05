//! Sign-up where the address is confirmed before there is an account, as clients see it.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use vestibule::Policy;
use vestibule::models::{MailKind, Role, SignUpMode};
use vestibule::services::{AddUser, Administrator};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, Browser, HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer};

use crate::{FORM, is_logged_in, sign_up_of};

const SIGN_UP: &str = "/api/auth/sign-up";
const CONFIRM: &str = "/api/auth/confirm-sign-up";
const DECLINE: &str = "/api/auth/confirm-sign-up/decline";
const NEW: &str = "new@example.com";
const COOKIE: &str = "vestibule_sign_up";

fn confirm_first(policy: Policy) -> Policy {
    Policy { sign_up: SignUpMode::ConfirmFirst, ..policy }
}

/// A server on which Ann has an account.
async fn server_at(kind: DatabaseKind, public_url: &str) -> TestServer {
    let house =
        HouseOptions { public_url: public_url.into(), policy: confirm_first, ..HouseOptions::default() };
    let options = ServerOptions { house, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
    add(&server, "ann@example.com").await;
    server
}

async fn server(kind: DatabaseKind) -> TestServer {
    server_at(kind, "http://localhost:3000").await
}

async fn add(server: &TestServer, email: &str) {
    let new = AddUser { name: "Ann", email, password: PASSWORD, role: &Role::User, is_email_verified: true };
    let added = server.house.accounts.add_user(new, &Administrator::at_the_command_line()).await;
    added.expect("an operator can add a user");
}

/// A browser that has begun a sign-up as NAME@example.com.
async fn begun(server: &TestServer, name: &str) -> Browser {
    let mut browser = server.browser();
    let answer = browser.call(Method::POST, SIGN_UP, Some(&sign_up_of(name))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    browser
}

async fn call(browser: &mut Browser, path: &str, body: Value) -> (u16, String) {
    let answer = browser.call(Method::POST, path, Some(&body)).await;
    let code = if answer.text.is_empty() { String::new() } else { answer.code() };
    (answer.status.as_u16(), code)
}

/// All of an answer but what is new each time: ids, moments, and the values of cookies.
fn alike(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<String>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date", "set-cookie"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    headers.sort();
    (answer.status.as_u16(), headers, answer.cookies_without_values(), answer.text.clone())
}

#[rstest]
#[tokio::test]
async fn a_known_address_and_an_unknown_one_get_the_same_answer(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = server(kind).await;
    let mut answers = Vec::new();
    for name in ["ann", "new"] {
        let anonymous = server.anonymous();
        let email = format!("{name}@example.com");
        let fields = [("name", "N"), ("email", email.as_str()), ("password", PASSWORD)];
        let api = anonymous.post_json(SIGN_UP, &sign_up_of(name)).await;
        let page = server.browser().post_form("/sign-up", &fields).await;
        let mut browser = begun(&server, name).await;
        let sent = browser.get("/sign-up/sent").await;
        let again = browser.post_form("/sign-up/sent", &[("email", &email)]).await;
        let sent_again = browser.get(again.location()).await;
        let mut told = [api, page, sent, again, sent_again].map(|answer| alike(&answer)).to_vec();
        for (.., text) in &mut told {
            *text = text.replace(&email, "…");
        }
        answers.push(told);
    }
    assert_eq!(answers[0], answers[1]);
    let (status, _, cookies, text) = &answers[0][0];
    assert_eq!((*status, text.as_str()), (202, "{}"));
    assert_eq!(*cookies, ["vestibule_sign_up=…; Path=/; Max-Age=86400; SameSite=Lax; HttpOnly"]);
    let (status, headers, ..) = &answers[0][1];
    assert_eq!(*status, 303);
    assert!(headers.contains(&("location".into(), "/sign-up/sent".into())), "{headers:?}");
    assert!(headers.contains(&("cache-control".into(), "private, no-store".into())), "{headers:?}");
}

#[rstest]
#[tokio::test]
async fn the_link_makes_the_account_in_the_browser_that_began(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = server(kind).await;
    let mut browser = begun(&server, "new").await;
    assert!(!is_logged_in(&browser).await);
    let token = server.house.mailed_token(NEW).await;
    let answer = browser.call(Method::POST, CONFIRM, Some(&json!({ "token": token }))).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["user"]["is_email_verified"], true);
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.cookies_without_values(), @r#"
        [
          "vestibule_access=…; Path=/; Max-Age=300; SameSite=Lax; HttpOnly",
          "vestibule_refresh=…; Path=/; Max-Age=604800; SameSite=Lax; HttpOnly",
          "vestibule_csrf=…; Path=/; Max-Age=34560000; SameSite=Lax",
          "vestibule_device=…; Path=/; Max-Age=34560000; SameSite=Lax; HttpOnly",
          "vestibule_sign_up=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly"
        ]
        "#);
    }
    assert!(is_logged_in(&browser).await);
    assert_eq!(call(&mut browser, CONFIRM, json!({ "token": token })).await, (400, "token_invalid".into()));
}

#[rstest]
#[tokio::test]
async fn the_page_is_inert_and_its_button_makes_the_account(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = server(kind).await;
    let mut browser = begun(&server, "new").await;
    let token = server.house.mailed_token(NEW).await;
    let path = format!("/confirm-sign-up?token={token}");
    for method in [Method::GET, Method::HEAD] {
        for headers in [&[][..], &[("sec-purpose", "prefetch")]] {
            let before = server.house.dump().await;
            assert_eq!(browser.send(method.clone(), &path, headers, "").await.status, 200);
            assert_eq!(server.anonymous().send(method.clone(), &path, headers, "").await.status, 200);
            assert_eq!(server.house.dump().await, before);
        }
    }
    let page = browser.get(&path).await;
    assert_eq!(page.header("referrer-policy"), Some("strict-origin"));
    assert_eq!(page.header("cache-control"), Some("private, no-store"));
    assert!(page.text.contains("Create my account") && page.text.contains("It was not me"), "{page:?}");
    assert!(!page.text.contains("name=\"password\""), "this browser began it");
    assert!(server.house.user(NEW).await.is_none());
    let answer = browser.post_form("/confirm-sign-up", &[("token", &token)]).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/dashboard"));
    assert!(is_logged_in(&browser).await && browser.cookie(COOKIE).is_none());
    let over = browser.post_form("/confirm-sign-up", &[("token", &token)]).await;
    assert!(over.status == 400 && over.text.contains("This link is over"), "{over:?}");
}

#[rstest]
#[tokio::test]
async fn another_browser_is_asked_for_the_password(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = server(kind).await;
    begun(&server, "new").await;
    let token = server.house.mailed_token(NEW).await;
    let mut other = begun(&server, "other").await;
    for browser in [&mut server.browser(), &mut other] {
        let refused = call(browser, CONFIRM, json!({ "token": token })).await;
        assert_eq!(refused, (401, "unauthenticated".into()));
        let wrong = json!({ "token": token, "password": "wrong window thursday" });
        assert_eq!(call(browser, CONFIRM, wrong).await, (401, "invalid_credentials".into()));
        let empty = json!({ "token": token, "password": "" });
        assert_eq!(call(browser, CONFIRM, empty).await, (422, "invalid_input".into()));
    }
    // With a cookie of another sign-up the page finds out as the button is pressed.
    let page = other.get(&format!("/confirm-sign-up?token={token}")).await;
    assert!(!page.text.contains("name=\"password\""));
    for (password, status) in [("", 401), ("wrong window thursday", 401), (PASSWORD, 303)] {
        let answer = other.post_form("/confirm-sign-up", &[("token", &token), ("password", password)]).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(status == 303 || answer.text.contains("name=\"password\"") && answer.text.contains(&token));
        assert!(!answer.text.contains("wrong window"));
    }
    assert!(is_logged_in(&other).await);
}

#[rstest]
#[tokio::test]
async fn what_is_no_token_is_refused_as_input_or_as_a_token(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = server(kind).await;
    let mut browser = begun(&server, "new").await;
    for path in [CONFIRM, DECLINE] {
        for body in [
            json!({}),
            json!({ "token": "" }),
            json!({ "token": null }),
            json!({ "token": 7 }),
            json!({ "token": [] }),
            json!({ "token": {} }),
        ] {
            assert_eq!(call(&mut browser, path, body.clone()).await, (422, "invalid_input".into()), "{body}");
        }
        for token in ["x", "null", &"A".repeat(43), &"A".repeat(60_000), "' OR 1=1 --"] {
            let refused = call(&mut browser, path, json!({ "token": token })).await;
            assert_eq!(refused, (400, "token_invalid".into()), "{token:.50}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn it_was_not_me_needs_the_link_alone(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = server(kind).await;
    let mut browser = begun(&server, "new").await;
    let shown = browser.get("/sign-up/sent").await.text;
    let token = server.house.mailed_token(NEW).await;
    let answer = server.browser().post_form("/confirm-sign-up/decline", &[("token", &token)]).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/confirm-sign-up/declined"));
    assert!(server.anonymous().get("/confirm-sign-up/declined").await.text.contains("No account was made"));
    assert_eq!(call(&mut browser, CONFIRM, json!({ "token": token })).await, (400, "token_invalid".into()));
    assert_eq!(browser.get("/sign-up/sent").await.text, shown, "who began it sees no difference");

    begun(&server, "other").await;
    let token = server.house.mailed_token("other@example.com").await;
    assert_eq!(call(&mut server.browser(), DECLINE, json!({ "token": token })).await, (204, String::new()));
    assert_eq!(call(&mut server.browser(), DECLINE, json!({ "token": token })).await.0, 400);
}

#[rstest]
#[tokio::test]
async fn the_page_after_a_sign_up_corrects_a_mistyped_address(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = server(kind).await;
    let mut browser = begun(&server, "nwe").await;
    let page = browser.get("/sign-up/sent").await;
    assert!(page.text.contains("<strong>nwe@example.com</strong>"), "{page:?}");
    let refused = browser.post_form("/sign-up/sent", &[("email", "<b>new</b>")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("id=\"email-error\"") && !refused.text.contains("<b>"), "{refused:?}");
    let sent = browser.post_form("/sign-up/sent", &[("email", NEW)]).await;
    assert_eq!((sent.status.as_u16(), sent.location()), (303, "/sign-up/sent?again=yes"));
    let page = browser.get(sent.location()).await;
    assert!(page.text.contains("<strong>new@example.com</strong>") && page.text.contains("Another mail"));
    let token = server.house.mailed_token(NEW).await;
    assert_eq!(browser.post_form("/confirm-sign-up", &[("token", &token)]).await.status, 303);

    let mut stranger = server.browser();
    assert!(stranger.get("/sign-up/sent").await.text.contains("No sign-up waits here"));
    let refused = stranger.post_form("/sign-up/sent", &[("email", NEW)]).await;
    assert!(refused.status == 409 && refused.text.contains("No sign-up waits here"), "{refused:?}");
}

#[rstest]
#[tokio::test]
async fn an_account_that_came_meanwhile_is_told_with_a_way_in(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = server(kind).await;
    let mut browser = begun(&server, "new").await;
    let token = server.house.mailed_token(NEW).await;
    add(&server, NEW).await;
    assert_eq!(call(&mut browser, CONFIRM, json!({ "token": token })).await, (409, "email_taken".into()));
    let page = browser.post_form("/confirm-sign-up", &[("token", &token)]).await;
    assert!(page.status == 409 && page.text.contains("/forgot-password"), "{page:?}");
    assert!(!is_logged_in(&browser).await);
}

#[rstest]
#[tokio::test]
async fn on_https_the_cookie_cannot_be_planted_from_next_door(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = server_at(kind, "https://example.com").await;
    let browser = begun(&server, "new").await;
    let token = server.house.mailed_token(NEW).await;
    let cookie = browser.cookie("__Host-vestibule_sign_up").expect("it has the prefix").to_owned();
    let mut planted = server.browser();
    planted.plant_cookie(COOKIE, &cookie);
    let refused = call(&mut planted, CONFIRM, json!({ "token": token })).await;
    assert_eq!(refused, (401, "unauthenticated".into()));
    // A false one beside ours does not hide it.
    let mut browser = browser;
    browser.plant_cookie("__Host-vestibule_sign_up", "false");
    assert_eq!(browser.call(Method::POST, CONFIRM, Some(&json!({ "token": token }))).await.status, 201);
}

#[rstest]
#[tokio::test]
async fn a_device_cookie_does_not_pass_for_the_browser_that_began(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = server(kind).await;
    begun(&server, "new").await;
    let token = server.house.mailed_token(NEW).await;
    let mut ann = server.browser();
    assert_eq!(ann.log_in("ann").await.status, 200);
    for other in ["vestibule_device", "vestibule_refresh", "vestibule_csrf", "vestibule_access"] {
        let mut browser = server.browser();
        browser.set_cookie(COOKIE, ann.cookie(other).unwrap());
        let refused = call(&mut browser, CONFIRM, json!({ "token": token })).await;
        assert_eq!(refused, (401, "unauthenticated".into()), "{other}");
    }
    for route in ["/api/auth/confirm-email", "/api/auth/reset-password"] {
        let body = json!({ "token": token, "password": PASSWORD });
        assert_eq!(call(&mut ann, route, body).await, (400, "token_invalid".into()), "{route}");
    }
}

#[rstest]
#[tokio::test]
async fn where_sign_up_is_open_the_doors_of_the_other_way_lead_nowhere(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = server.browser();
    assert!(browser.get("/sign-up/sent").await.text.contains("No sign-up waits here"));
    assert_eq!(browser.post_form("/sign-up/sent", &[("email", NEW)]).await.status, 403);
    let refused = call(&mut browser, CONFIRM, json!({ "token": "A".repeat(43) })).await;
    assert_eq!(refused, (400, "token_invalid".into()));
    let answer = server.anonymous().send(Method::POST, "/sign-up/sent", &[FORM], "email=x").await;
    assert_eq!(answer.status, 403);
    assert_eq!(server.house.outbox_kinds().await, Vec::<MailKind>::new());
}
