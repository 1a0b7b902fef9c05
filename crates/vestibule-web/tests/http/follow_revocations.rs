//! The feed of revocations, as programs see it.

use reqwest::Method;
use rstest::rstest;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use vestibule::ports::{Clock, SystemClock};
use vestibule::services::{Administrator, MakeServiceKey};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, TestServer};

use crate::signed_up;

struct Program {
    key: String,
}

impl Program {
    async fn of(server: &TestServer) -> Self {
        // The database says by its own clock when a session ended.
        server.clock.advance(SystemClock.now() - server.clock.now());
        let new = MakeServiceKey { name: "wiki", scopes: &["revocations:read"], lifetime: None };
        let made = server.house.accounts.make_service_key(new, &Administrator::at_the_command_line()).await;
        Self { key: format!("Bearer {}", *made.expect("it can be made").1) }
    }

    async fn follow(&self, server: &TestServer, query: &str) -> Answer {
        let path = format!("/api/auth/revocations{query}");
        server.anonymous().send(Method::GET, &path, &[("authorization", &self.key)], "").await
    }
}

fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).expect("a token has three parts");
    let payload =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("the payload is base64url");
    serde_json::from_slice(&payload).expect("the payload is JSON")
}

#[rstest]
#[tokio::test]
async fn a_log_out_is_told_with_the_sid_of_its_tokens(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let program = Program::of(&server).await;
    let mut ann = signed_up(&server, "ann").await;
    let claims = claims(ann.cookie(crate::ACCESS).unwrap());
    let begin = program.follow(&server, "").await;
    assert_eq!(begin.status, 200);
    assert_eq!(begin.header("cache-control"), Some("private, no-store"));
    let begin = begin.json();
    assert_eq!(begin["revocations"], serde_json::json!([]));
    assert_eq!(
        (&begin["all_at"], &begin["more"], &begin["reset"]),
        (&Value::Null, &false.into(), &false.into())
    );
    // Five minutes and the leeway of clocks.
    assert_eq!(begin["keep_for"], 450);
    assert_eq!(ann.call(Method::POST, "/api/auth/log-out", None).await.status, 204);

    let next = begin["next"].as_str().unwrap();
    let told = program.follow(&server, &format!("?since={next}")).await.json();
    let only = &told["revocations"].as_array().unwrap()[..];
    assert_eq!(only.len(), 1, "{told}");
    assert_eq!(only[0]["sid"], claims["sid"]);
    let at = OffsetDateTime::parse(only[0]["at"].as_str().unwrap(), &Rfc3339).unwrap();
    assert_eq!(at.nanosecond(), 0);
    assert!(claims["iat"].as_i64().unwrap() <= at.unix_timestamp());
    assert!(at - SystemClock.now() < Duration::minutes(2));

    let elsewhere = format!("?since={}.1", "0".repeat(32));
    let told = program.follow(&server, &elsewhere).await.json();
    assert_eq!((&told["reset"], told["revocations"].as_array().unwrap().len()), (&true.into(), 1));
}

#[rstest]
#[tokio::test]
async fn what_is_no_cursor_is_told(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let program = Program::of(&server).await;
    for query in ["?since=", "?since=7", "?since=%00", "?since='%20OR%201=1"] {
        let answer = program.follow(&server, query).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "invalid_input"), "{query}");
        assert_eq!(answer.json()["errors"][0]["field"], "since");
    }
}
