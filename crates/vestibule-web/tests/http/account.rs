//! What somebody does with an account of their own, through the API and on its page.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use time::Duration;
use vestibule::models::{AuditEventKind, MailKind};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, Browser, PASSWORD, TestServer};

use crate::{is_logged_in, signed_up};

const ANN: &str = "ann@example.com";
const NEW: &str = "velvet orchard seventeen";
const WRONG: &str = "wrong window thursday";

async fn call(browser: &mut Browser, method: Method, path: &str, body: Value) -> Answer {
    browser.call(method, path, Some(&body)).await
}

fn told(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

#[rstest]
#[tokio::test]
async fn the_name_is_all_that_can_be_patched(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let before = browser.call(Method::GET, "/api/account", None).await.json();
    let body = json!({
        "name": "Ann Lee", "role": "admin", "is_email_verified": true, "email": "eve@example.com",
        "id": "00000000-0000-7000-8000-000000000000", "is_disabled": false
    });
    let answer = call(&mut browser, Method::PATCH, "/api/account", body).await;
    let mut expected = before;
    expected["user"]["name"] = json!("Ann Lee");
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    for name in [json!(""), json!(null), json!("a\nb"), json!("a".repeat(101)), json!(7)] {
        let refused = call(&mut browser, Method::PATCH, "/api/account", json!({ "name": name })).await;
        assert_eq!(told(&refused), (422, "invalid_input".into()), "{name}");
    }
    assert_eq!(call(&mut browser, Method::PATCH, "/api/account", json!({})).await.status, 422);
    assert!(server.house.audit_kinds().await.contains(&AuditEventKind::NameChanged));
}

#[rstest]
#[tokio::test]
async fn another_password_ends_all_other_sessions_and_renews_ones_own(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let mut other = server.browser();
    other.log_in("ann").await;
    let copy = browser.clone();
    let path = "/api/account/password";
    for (current, new, expected) in [
        (WRONG, NEW, (401, "invalid_credentials")),
        ("", NEW, (422, "invalid_input")),
        (PASSWORD, "short", (422, "invalid_input")),
        (PASSWORD, "", (422, "invalid_input")),
    ] {
        let body = json!({ "current_password": current, "new_password": new });
        let answer = call(&mut browser, Method::POST, path, body).await;
        assert_eq!(told(&answer), (expected.0, expected.1.to_owned()), "{current} {new}");
    }
    assert!(is_logged_in(&browser).await && is_logged_in(&other).await);

    let csrf = browser.csrf().to_owned();
    let body = json!({ "current_password": PASSWORD, "new_password": NEW });
    let answer = call(&mut browser, Method::POST, path, body).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_ne!(browser.csrf(), csrf, "what was copied of the session before is worth nothing");
    assert!(is_logged_in(&browser).await && !is_logged_in(&other).await && !is_logged_in(&copy).await);
    assert_eq!(other.refresh().await.status, 401);
    assert_eq!(server.house.count_sessions().await, 1);
    assert_eq!(browser.log_in("ann").await.status, 401, "the old password");
    server.house.deliver().await;
    assert!(server.house.post.kinds_for(ANN).contains(&MailKind::PasswordChanged));
}

#[rstest]
#[tokio::test]
async fn a_program_changes_the_password_and_keeps_its_session(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let mut other = server.browser();
    other.log_in("ann").await;
    let program = server.program(browser.cookie("vestibule_access").unwrap());
    let body = json!({ "current_password": PASSWORD, "new_password": NEW }).to_string();
    let json = [("content-type", "application/json")];
    let answer = program.send(Method::POST, "/api/account/password", &json, &body).await;
    assert_eq!(answer.status, 204);
    assert!(answer.set_cookies().is_empty());
    assert_eq!(program.get("/api/account").await.status, 200);
    assert!(!is_logged_in(&other).await);
}

#[rstest]
#[tokio::test]
async fn another_address_is_taken_when_its_mailbox_says_so(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let path = "/api/account/email";
    let new = "ann@example.org";
    for (email, password, expected) in [
        (new, WRONG, (401, "invalid_credentials")),
        (new, "", (422, "invalid_input")),
        ("ann", PASSWORD, (422, "invalid_input")),
        ("Ann@Example.com", PASSWORD, (422, "invalid_input")),
    ] {
        let body = json!({ "email": email, "current_password": password });
        let answer = call(&mut browser, Method::POST, path, body).await;
        assert_eq!(told(&answer), (expected.0, expected.1.to_owned()), "{email}");
    }
    let body = json!({ "email": new, "current_password": PASSWORD });
    let answer = call(&mut browser, Method::POST, path, body).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (202, ""));
    assert_eq!(browser.session().await.json()["user"]["email"], ANN);

    let token = server.house.mailed_token(new).await;
    assert!(server.house.post.kinds_for(ANN).contains(&MailKind::EmailChangeRequested));
    let body = json!({ "token": token });
    let answer = call(&mut browser, Method::POST, "/api/auth/confirm-email", body).await;
    let user = &answer.json()["user"];
    assert_eq!((&user["email"], &user["is_email_verified"]), (&json!(new), &json!(true)));
    server.house.deliver().await;
    assert!(server.house.post.kinds_for(ANN).contains(&MailKind::EmailChanged));
    assert!(is_logged_in(&browser).await);
    assert_eq!(browser.log_in("ann").await.status, 401, "the old address is nobody's");
}

// A10: an address that waits for its confirmation was taken for one that has it.
#[rstest]
#[tokio::test]
async fn an_address_that_is_not_confirmed_yet_opens_nothing(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let confirming = server.house.mailed_token(ANN).await;
    let new = "ann@example.org";
    let body = json!({ "email": new, "current_password": PASSWORD });
    assert_eq!(call(&mut browser, Method::POST, "/api/account/email", body).await.status, 202);
    let log_in = json!({ "email": new, "password": PASSWORD });
    assert_eq!(server.anonymous().post_json("/api/auth/log-in", &log_in).await.status, 401);
    let forgot = json!({ "email": new });
    assert_eq!(server.anonymous().post_json("/api/auth/forgot-password", &forgot).await.status, 202);
    server.house.deliver().await;
    assert!(!server.house.post.kinds_for(new).contains(&MailKind::ResetPassword), "nobody has it yet");

    // The link of the address that one has confirms that one and not the new one.
    let body = json!({ "token": confirming });
    let answer = call(&mut browser, Method::POST, "/api/auth/confirm-email", body).await;
    let user = &answer.json()["user"];
    assert_eq!((&user["email"], &user["is_email_verified"]), (&json!(ANN), &json!(true)));
    assert_eq!(browser.session().await.json()["user"]["email"], ANN);
}

#[rstest]
#[tokio::test]
async fn an_address_that_somebody_has_gets_no_mail_and_that_is_not_told(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    signed_up(&server, "bob").await;
    server.house.deliver().await;
    let to_bob = server.house.post.kinds_for("bob@example.com");
    let body = json!({ "email": "bob@example.com", "current_password": PASSWORD });
    assert_eq!(call(&mut browser, Method::POST, "/api/account/email", body).await.status, 202);
    server.house.deliver().await;
    assert_eq!(server.house.post.kinds_for("bob@example.com"), to_bob);
}

#[rstest]
#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner_alone(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let mut others = [server.browser(), server.browser(), server.browser()];
    for other in &mut others {
        other.log_in("ann").await;
    }
    let mut eve = signed_up(&server, "eve").await;
    let path = "/api/account/sessions";
    let list = browser.call(Method::GET, path, None).await.json();
    let sessions = list["sessions"].as_array().unwrap().clone();
    assert_eq!(sessions.len(), 4);
    let current: Vec<_> = sessions.iter().filter(|session| session["current"] == true).collect();
    let own = browser.session().await.json()["session"].clone();
    assert_eq!(current.iter().map(|session| &session["id"]).collect::<Vec<_>>(), [&own["id"]]);

    let id = |browser: &Value| browser["session"]["id"].as_str().unwrap().to_owned();
    let of_first = id(&others[0].session().await.json());
    let of_eve = id(&eve.session().await.json());
    for id in [&of_eve, "00000000-0000-7000-8000-000000000000", "nonsense"] {
        let answer = browser.call(Method::DELETE, &format!("{path}/{id}"), None).await;
        assert_eq!(told(&answer), (404, "not_found".into()), "{id}");
    }
    assert!(is_logged_in(&eve).await);
    assert_eq!(browser.call(Method::DELETE, &format!("{path}/{of_first}"), None).await.status, 204);
    assert!(!is_logged_in(&others[0]).await && is_logged_in(&others[1]).await);
    assert_eq!(browser.call(Method::DELETE, path, None).await.status, 204);
    assert!(is_logged_in(&browser).await && is_logged_in(&eve).await);
    assert!(!is_logged_in(&others[1]).await && !is_logged_in(&others[2]).await);
    let own = browser.call(Method::DELETE, &format!("{path}/{}", own["id"].as_str().unwrap()), None).await;
    assert_eq!(own.status, 204);
    assert!(browser.cookie_names().is_empty(), "it was a log-out");
    assert_eq!(eve.call(Method::GET, path, None).await.json()["sessions"].as_array().unwrap().len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_deleted_account_is_gone_from_everywhere(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let mut other = server.browser();
    other.log_in("ann").await;
    for (password, expected) in [(WRONG, (401, "invalid_credentials")), ("", (422, "invalid_input"))] {
        let body = json!({ "current_password": password });
        let answer = call(&mut browser, Method::DELETE, "/api/account", body).await;
        assert_eq!(told(&answer), (expected.0, expected.1.to_owned()));
    }
    assert_eq!(call(&mut browser, Method::DELETE, "/api/account", json!({})).await.status, 422);
    let copy = browser.clone();
    let body = json!({ "current_password": PASSWORD });
    assert_eq!(call(&mut browser, Method::DELETE, "/api/account", body).await.status, 204);
    assert!(browser.cookie_names().is_empty());
    assert!(!is_logged_in(&copy).await && !is_logged_in(&other).await);
    assert_eq!(other.refresh().await.code(), "session_revoked");
    assert_eq!(browser.log_in("ann").await.status, 401);
    assert!(server.house.user(ANN).await.is_none());
    signed_up(&server, "ann").await;
}

#[rstest]
#[tokio::test]
async fn the_export_holds_what_is_known_and_no_secret(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    signed_up(&server, "eve").await;
    // Events of one millisecond have no order.
    server.clock.advance(Duration::milliseconds(1));
    let answer = browser.call(Method::GET, "/api/account/export", None).await;
    let export = answer.json();
    assert_eq!(export["user"]["email"], ANN);
    assert_eq!(export["sessions"].as_array().unwrap().len(), 1);
    let kinds: Vec<_> = export["events"].as_array().unwrap().iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["account_exported", "signed_up"]);
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"account.json\""));
    for secret in ["$argon2", "hash", "eve@example.com", browser.csrf()] {
        assert!(!answer.text.contains(secret), "{secret} is in {}", answer.text);
    }
    server.clock.advance(Duration::hours(1));
    assert_eq!(browser.get("/account/export").await.json()["user"]["email"], ANN, "the page refreshes first");
}

#[rstest]
#[tokio::test]
async fn the_page_keeps_what_was_typed_and_says_what_was_done(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let page = browser.get("/account").await;
    assert!(page.status == 200 && page.text.contains("not confirmed yet"), "{page:?}");

    let long = "a".repeat(101);
    let refused = browser.post_form("/account/name", &[("name", &long)]).await;
    assert!(refused.status == 422 && refused.text.contains(&format!("value=\"{long}\"")), "{refused:?}");
    let done = browser.post_form("/account/name", &[("name", "<b>Ann</b>")]).await;
    assert_eq!((done.status.as_u16(), done.location()), (303, "/account?done=name-changed#name"));
    let page = browser.get("/account?done=name-changed").await;
    assert!(page.text.contains("Your name is changed.") && !page.text.contains("<b>Ann"), "{page:?}");

    let fields = [("email", "new@example.org"), ("current_password", WRONG)];
    let refused = browser.post_form("/account/email", &fields).await;
    assert_eq!(refused.status, 401);
    assert!(
        refused.text.contains("value=\"new@example.org\"") && !refused.text.contains(WRONG),
        "{refused:?}"
    );
    let done = browser.post_form("/account/email", &[fields[0], ("current_password", PASSWORD)]).await;
    assert_eq!(done.location(), "/account?done=email-requested#email");

    let weak = [("current_password", PASSWORD), ("new_password", "short")];
    assert_eq!(browser.post_form("/account/password", &weak).await.status, 422);
    let mut other = server.browser();
    other.log_in("ann").await;
    let good = [("current_password", PASSWORD), ("new_password", NEW)];
    let done = browser.post_form("/account/password", &good).await;
    assert_eq!(done.location(), "/account?done=password-changed#password");
    assert!(is_logged_in(&browser).await && !is_logged_in(&other).await);

    let refused = browser.post_form("/account/delete", &[("current_password", WRONG)]).await;
    assert!(refused.status == 401 && refused.text.contains("<details open>"), "{refused:?}");
    let done = browser.post_form("/account/delete", &[("current_password", NEW)]).await;
    assert_eq!(done.location(), "/log-in?notice=account-deleted");
    assert!(browser.get(done.location()).await.text.contains("Your account is deleted"));
    assert!(server.house.user(ANN).await.is_none());
}

#[rstest]
#[tokio::test]
async fn the_page_ends_sessions(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let mut others = [server.browser(), server.browser()];
    for other in &mut others {
        other.log_in("ann").await;
    }
    let id = others[0].session().await.json()["session"]["id"].as_str().unwrap().to_owned();
    let done = browser.post_form(&format!("/account/sessions/{id}/end"), &[]).await;
    assert_eq!(done.location(), "/account?done=session-ended#sessions");
    assert!(!is_logged_in(&others[0]).await && is_logged_in(&others[1]).await);
    let done = browser.post_form("/account/sessions/end-others", &[]).await;
    assert_eq!(done.location(), "/account?done=others-ended#sessions");
    assert!(!is_logged_in(&others[1]).await);
    let again = browser.post_form(&format!("/account/sessions/{id}/end"), &[]).await;
    assert_eq!(again.status, 404);
    let id = browser.session().await.json()["session"]["id"].as_str().unwrap().to_owned();
    let own = browser.post_form(&format!("/account/sessions/{id}/end"), &[]).await;
    assert_eq!((own.status.as_u16(), own.location()), (303, "/"));
    assert!(browser.cookie_names().is_empty());
}

#[rstest]
#[tokio::test]
async fn password_managers_find_the_form(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let answer = server.anonymous().get("/.well-known/change-password").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/account#password"));
    let page = signed_up(&server, "ann").await.get("/account").await;
    assert!(page.text.contains("id=\"password\"") && page.text.contains("autocomplete=\"new-password\""));
}
