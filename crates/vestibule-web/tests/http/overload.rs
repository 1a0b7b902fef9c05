use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vestibule::Policy;
use vestibule::models::{CandidatePassword, Password, PasswordHash, Quota, SignUpMode};
use vestibule::ports::{HasherError, Judgement, Overloaded, PasswordHasher, Standing};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer, generous};
use vestibule_web::ANSWERS_ARE_HELD_FOR;

use crate::{ACCESS, sign_up_of, signed_up};

/// A hasher that has no room for anybody.
struct Full;

#[async_trait]
impl PasswordHasher for Full {
    async fn judge(&self, _: CandidatePassword, _: Standing) -> Result<Judgement, HasherError> {
        Err(Overloaded { retry_after: Duration::from_secs(3) }.into())
    }

    async fn hash(&self, _: Password, _: Standing) -> Result<PasswordHash, HasherError> {
        Err(Overloaded { retry_after: Duration::from_secs(3) }.into())
    }

    async fn matches(&self, _: Password, _: Option<PasswordHash>, _: Standing) -> Result<bool, HasherError> {
        Err(Overloaded { retry_after: Duration::from_secs(3) }.into())
    }

    fn is_outdated(&self, _: &PasswordHash) -> bool {
        false
    }
}

async fn overloaded_server(kind: DatabaseKind) -> TestServer {
    let house = HouseOptions { hasher: Some(Arc::new(Full)), ..HouseOptions::default() };
    let options =
        ServerOptions { house, answers_are_held_for: ANSWERS_ARE_HELD_FOR, ..ServerOptions::default() };
    TestServer::start_on(&TestDatabase::create(kind).await, options).await
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
    assert!(seconds > Some(0), "{answer:?}");
    assert!(answer.set_cookies().is_empty(), "what is not certain clears nothing");
}

#[rstest]
#[tokio::test]
async fn a_busy_hasher_is_told_with_the_time_to_wait(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = overloaded_server(kind).await;
    for path in ["/api/auth/sign-up", "/api/auth/log-in"] {
        let answer = server.anonymous().post_json(path, &sign_up_of("ann")).await;
        assert_unavailable(&answer);
        assert_eq!(answer.header("retry-after"), Some("3"));
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(answer.json(), @r#"
            {
              "code": "overloaded",
              "detail": "The server is busy at the moment. Please try again in a few seconds.",
              "status": 503,
              "title": "Service Unavailable",
              "type": "about:blank"
            }
            "#);
        }
    }
    assert!(server.house.outbox().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_busy_hasher_does_not_lose_what_was_typed(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = overloaded_server(kind).await;
    let fields = [("name", "Ann"), ("email", "ann@example.com"), ("password", PASSWORD)];
    for path in ["/sign-up", "/log-in"] {
        let answer = server.browser().post_form(path, &fields).await;
        assert_unavailable(&answer);
        assert!(answer.text.contains("The server is busy at the moment."), "{path}");
        assert!(answer.text.contains("value=\"ann@example.com\""), "{path}");
        assert!(!answer.text.contains(PASSWORD), "{path}");
    }
}

/// Refusals cost little, so programs that come back at once are kept from asking for thousands a second; and who holds back the
/// rest of a request gains nothing by it.
#[tokio::test]
async fn a_refusal_is_told_a_moment_after_the_last_of_the_request_came() {
    let policy = |policy| {
        let mut policy = generous(policy);
        if let Some(limits) = &mut policy.rate_limits {
            limits.passwords_by_account = Quota::new(1, time::Duration::hours(1));
        }
        policy
    };
    let house = HouseOptions { policy, ..HouseOptions::default() };
    let options =
        ServerOptions { house, answers_are_held_for: ANSWERS_ARE_HELD_FOR, ..ServerOptions::default() };
    let limited = TestServer::start_on(&TestDatabase::create(Sqlite).await, options).await;
    assert_eq!(limited.anonymous().post_json("/api/auth/log-in", &sign_up_of("ann")).await.status, 401);
    for (server, status) in [(limited, 429), (overloaded_server(Sqlite).await, 503)] {
        let body = sign_up_of("ann").to_string();
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let head = format!(
            "POST /api/auth/log-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        let sent_at = tokio::time::Instant::now();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(sent_at.elapsed() >= Duration::from_millis(100), "{status}: {:?}", sent_at.elapsed());
    }
}

/// A4, A5: what is the same for all in its words is so in its time, also beside a worker that looks the address up at that moment.
#[tokio::test]
async fn what_must_not_tell_who_has_an_account_is_answered_after_a_moment() {
    let policy = |policy| Policy { sign_up: SignUpMode::ConfirmFirst, ..generous(policy) };
    let house = HouseOptions { policy, ..HouseOptions::default() };
    let options =
        ServerOptions { house, answers_are_held_for: ANSWERS_ARE_HELD_FOR, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(Sqlite).await, options).await;
    let email = json!({ "email": "ann@example.com" });
    let fields = [("name", "Ann"), ("email", "ann@example.com"), ("password", PASSWORD)];
    let (program, mut browser) = (server.anonymous(), server.browser());
    for (number, status) in [202, 202, 303, 303, 303].into_iter().enumerate() {
        let began = tokio::time::Instant::now();
        let answer = match number {
            0 => program.post_json("/api/auth/forgot-password", &email).await,
            1 => program.post_json("/api/auth/sign-up", &sign_up_of("ann")).await,
            2 => browser.post_form("/forgot-password", &fields[1..2]).await,
            3 => browser.post_form("/sign-up", &fields).await,
            _ => browser.post_form("/sign-up/sent", &fields[1..2]).await,
        };
        let took = began.elapsed();
        assert_eq!(answer.status, status);
        assert!(took >= ANSWERS_ARE_HELD_FOR, "{number}: {took:?}");
    }
}

#[rstest]
#[tokio::test]
async fn without_its_database_the_server_says_so_and_nothing_breaks(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let program = server.program(browser.cookie(ACCESS).unwrap());
    server.house.database.close().await;

    let log_in = json!({ "email": "ann@example.com", "password": PASSWORD });
    for answer in [
        browser.session().await,
        browser.refresh().await,
        browser.call(Method::POST, "/api/auth/log-out", None).await,
        browser.call(Method::POST, "/api/auth/log-in", Some(&log_in)).await,
        browser.call(Method::POST, "/api/auth/sign-up", Some(&sign_up_of("ben"))).await,
        program.get("/api/auth/session").await,
    ] {
        assert_unavailable(&answer);
        assert_eq!(answer.code(), "overloaded");
        assert!(
            !answer.text.to_lowercase().contains("pool"),
            "what went wrong inside is not told: {answer:?}"
        );
    }
    for path in ["/dashboard", "/refresh"] {
        let answer = browser.get(path).await;
        assert_unavailable(&answer);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(answer.text.contains("cannot reach its database"), "{answer:?}");
    }
    let fields = [("name", "Ben"), ("email", "ben@example.com"), ("password", PASSWORD)];
    for path in ["/sign-up", "/log-in"] {
        let answer = browser.post_form(path, &fields).await;
        assert_unavailable(&answer);
        assert!(answer.text.contains("value=\"ben@example.com\""), "what was typed is kept: {answer:?}");
        assert_eq!(browser.get(path).await.status, 200, "an empty form needs no database");
    }
    assert_eq!(browser.cookie_names().len(), 3);
    assert_eq!(server.anonymous().get("/healthz").await.status, 200);
    assert_eq!(server.anonymous().get("/readyz").await.status, 503);
}
