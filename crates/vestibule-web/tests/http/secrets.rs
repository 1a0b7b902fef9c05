use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use time::Duration;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, PASSWORD, TestServer};

use crate::{REFRESH, sign_up_of};

/// Everything in an answer but its cookies.
fn readable(answer: &Answer) -> String {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "set-cookie");
    let headers =
        headers.map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    headers.collect::<String>() + &answer.text
}

#[rstest]
#[tokio::test]
async fn no_answer_holds_a_password_a_hash_or_a_secret(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = server.browser();
    let form = [("name", "Ann"), ("email", "ann@example.com"), ("password", PASSWORD)];
    let mut answers = Vec::new();
    let mut secrets = vec![PASSWORD.to_owned(), PASSWORD.replace(' ', "+"), "$argon2".to_owned()];
    let mut remember = |browser: &vestibule_testkit::Browser| {
        if let Some(cookie) = browser.cookie(REFRESH) {
            secrets.extend(cookie.split('.').map(str::to_owned));
        }
    };

    answers.push(browser.sign_up("ann").await);
    remember(&browser);
    answers.push(browser.call(Method::POST, "/api/auth/sign-up", Some(&sign_up_of("ann"))).await);
    answers.push(browser.post_form("/sign-up", &form).await);
    answers.push(browser.log_in("ann").await);
    remember(&browser);
    answers.push(browser.post_form("/log-in", &form).await);
    remember(&browser);
    let with_wrong_type = json!({ "email": PASSWORD, "password": PASSWORD, "name": [PASSWORD] });
    answers.push(browser.call(Method::POST, "/api/auth/sign-up", Some(&with_wrong_type)).await);
    let malformed = format!("{{\"password\": \"{PASSWORD}\", {PASSWORD}");
    let json = [("content-type", "application/json")];
    answers.push(browser.send(Method::POST, "/api/auth/log-in", &json, malformed).await);
    answers.push(browser.refresh().await);
    remember(&browser);
    for path in ["/api/auth/session", "/dashboard", "/log-in", "/nowhere", "/admin", "/readyz"] {
        answers.push(browser.get(path).await);
    }
    server.clock.advance(Duration::hours(1));
    answers.push(browser.get("/").await);
    remember(&browser);
    answers.push(browser.get("/refresh").await);
    remember(&browser);
    let mut copy = browser.clone();
    answers.push(browser.post_form("/log-out", &[]).await);
    answers.push(copy.get("/dashboard").await);
    answers.push(copy.session().await);
    answers.push(server.anonymous().get("/.well-known/jwks.json").await);

    assert!(secrets.len() > 12, "there is something to look for");
    for answer in &answers {
        let text = readable(answer);
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in {answer:?}");
        }
    }
}
