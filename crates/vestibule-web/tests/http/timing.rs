//! Whether time tells who has an account. Requests of two kinds are sent in turns and their times compared by Welch's
//! t-test: beyond 4.5 in either direction, chance explains a difference no more (the threshold of ISO/IEC 17825).

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use time::Duration;
use vestibule::Policy;
use vestibule::models::{Password, PasswordHash, Quota, Role, SignUpMode};
use vestibule::ports::{Argon2Parameters, HasherError, HashingSlots, MailError, PasswordHasher, Standing};
use vestibule::services::{AddUser, Administrator};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{
    Changed, HasherChange, House, HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer, generous,
    least_slots,
};
use vestibule_web::ANSWERS_ARE_HELD_FOR;

use crate::signed_up;

const ROUNDS: u32 = 80;
const LIMIT: f64 = 4.5;
const AT_ONCE: std::time::Duration = std::time::Duration::ZERO;
/// Long enough for what hashes nothing, and short enough to be measured often.
const A_SHORT_MOMENT: std::time::Duration = std::time::Duration::from_millis(50);
const LOG_IN: &str = "/api/auth/log-in";
const FORGOT: &str = "/api/auth/forgot-password";

#[expect(clippy::disallowed_methods, reason = "a real duration is what is measured")]
async fn seconds(server: &TestServer, cookie: &str, path: &str, body: &Value, status: u16) -> f64 {
    let client = server.anonymous();
    let headers = [("content-type", "application/json"), ("cookie", cookie)];
    let body = body.to_string();
    let began = Instant::now();
    let answer = client.send(Method::POST, path, &headers, body).await;
    let took = began.elapsed().as_secs_f64();
    assert_eq!(answer.status, status, "{answer:?}");
    took
}

/// Welch's t of two kinds of requests.
async fn welch(
    server: &TestServer,
    path: &str,
    status: u16,
    kinds: [&(dyn Fn(u32) -> Value + Sync); 2],
) -> f64 {
    compare(server, "", path, status, kinds).await.0
}

/// Welch's t of two kinds of requests, sent in turns, and how many times as long the first took. The slowest tenth of each is left
/// out: it tells of the machine.
async fn compare(
    server: &TestServer,
    cookie: &str,
    path: &str,
    status: u16,
    kinds: [&(dyn Fn(u32) -> Value + Sync); 2],
) -> (f64, f64) {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS + 5 {
        // Which goes first changes, so that neither always follows the other.
        for place in 0..2 {
            let kind = usize::try_from((round + place) % 2).expect("0 or 1 is an index");
            let took = seconds(server, cookie, path, &kinds[kind](round), status).await;
            // The first few find everything cold.
            if round >= 5 {
                times[kind].push(took);
            }
        }
    }
    let [one, other] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.truncate(times.len() * 9 / 10);
        let count = f64::from(u32::try_from(times.len()).expect("a test has few rounds"));
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    ((one.0 - other.0) / (one.1 + other.1).sqrt(), one.0 / other.0)
}

fn wrong(email: &str) -> Value {
    json!({ "email": email, "password": "wrong window thursday" })
}

#[rstest]
#[tokio::test]
async fn time_does_not_tell_who_has_an_account(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = generous_server(kind).await;
    signed_up(&server, "ann").await;
    signed_up(&server, "off").await;
    server.house.set_disabled("off@example.com", true).await;
    let (known, unknown) = (|_| wrong("ann@example.com"), |_| wrong("nobody@example.com"));
    let t = welch(&server, LOG_IN, 401, [&known, &unknown]).await;
    assert!(t.abs() < LIMIT, "log-in, a known address against an unknown one: t = {t:.1}");
    let disabled = |_| json!({ "email": "off@example.com", "password": PASSWORD });
    let t = welch(&server, LOG_IN, 401, [&disabled, &unknown]).await;
    assert!(t.abs() < LIMIT, "log-in, a disabled account against an unknown address: t = {t:.1}");
    // Of the work alone: it looks nothing up.
    let server = generous_server_that_holds(kind, AT_ONCE).await;
    sign_up_known(&server).await;
    let t = welch(&server, FORGOT, 202, [&known_address, &unknown_address]).await;
    assert!(t.abs() < LIMIT, "forgot-password: t = {t:.1}");
}

/// Accounts that are told from others by their rows: without a password, and with one that was hashed when hashes were cheaper.
#[rstest]
#[tokio::test]
async fn nor_does_time_tell_of_an_account_without_a_password_or_with_a_cheaper_hash(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let database = TestDatabase::create(kind).await;
    let before = HouseOptions { policy: generous, ..HouseOptions::default() };
    let house = House::open_on(&database, before.clone()).await.unwrap();
    for name in ["none", "cheap"] {
        let email = format!("{name}@example.com");
        let typed = vestibule_testkit::signing_up(&email, "Ann");
        house.accounts.sign_up(typed, &vestibule::models::Client::default()).await.unwrap();
    }
    let without = "UPDATE users SET password_hash = NULL WHERE email = 'none@example.com'";
    assert_eq!(house.database.alone().write(without).execute().await.unwrap(), 1);
    let dearer = Argon2Parameters::FLOOR;
    let dearer = Argon2Parameters::new(dearer.memory_kib(), dearer.passes() * 3).unwrap();
    let house = HouseOptions { hash_parameters: dearer, ..before };
    let options = ServerOptions {
        house: house.clone(),
        answers_are_held_for: ANSWERS_ARE_HELD_FOR,
        ..ServerOptions::default()
    };
    let server = TestServer::start_on(&database, options).await;
    let (none, cheap) = (|_| wrong("none@example.com"), |_| wrong("cheap@example.com"));
    let unknown = |_| wrong("nobody@example.com");
    let t = welch(&server, LOG_IN, 401, [&none, &unknown]).await;
    assert!(t.abs() < LIMIT, "log-in, an account without a password against an unknown address: t = {t:.1}");
    // Of the work alone, without the moment after which it is told. Two runs of the work are together a little cheaper than one: the first pass of each has nothing to mix in. That is less than
    // an operator's other settings change; without the second run it would be a third of the time.
    let options = ServerOptions { house, ..ServerOptions::default() };
    let server = TestServer::start_on(&database, options).await;
    let (t, ratio) = compare(&server, "", LOG_IN, 401, [&cheap, &unknown]).await;
    let told = format!("log-in, a hash of cheaper days against an unknown address: {ratio:.3}, t = {t:.1}");
    assert!((0.9..1.1).contains(&ratio), "{told}");
}

/// Past the limit nobody's password is looked at, whether or not there is one.
#[rstest]
#[tokio::test]
async fn nor_does_it_past_the_limit(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let policy = |policy| {
        let mut policy = generous(policy);
        if let Some(limits) = &mut policy.rate_limits {
            limits.passwords_by_account = Quota::new(1, Duration::hours(1));
        }
        policy
    };
    let house = HouseOptions { policy, ..HouseOptions::default() };
    let options = ServerOptions { house, answers_are_held_for: A_SHORT_MOMENT, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
    signed_up(&server, "ann").await;
    let eve = signed_up(&server, "eve").await;
    // With the cookie of an account of one's own the row is read each time: the refusal is remembered, and whose browser it is, is
    // not known before.
    let device = format!("vestibule_device={}", eve.cookie("vestibule_device").unwrap());
    for email in ["ann@example.com", "nobody@example.com"] {
        assert_eq!(server.anonymous().post_json(LOG_IN, &wrong(email)).await.status, 401);
    }
    let (known, unknown) = (|_| wrong("ann@example.com"), |_| wrong("nobody@example.com"));
    for cookie in ["", device.as_str()] {
        let t = compare(&server, cookie, LOG_IN, 429, [&known, &unknown]).await.0;
        assert!(t.abs() < LIMIT, "log-in past the limit, cookie `{cookie}`: t = {t:.1}");
    }
}

/// A5: the answer told who has an account while mail was down.
#[rstest]
#[tokio::test]
async fn nor_does_it_while_no_mail_goes(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = generous_server_that_holds(kind, A_SHORT_MOMENT).await;
    sign_up_known(&server).await;
    server.house.post.fail_with(MailError::TryAgain("no mail server".into()));
    let (accounts, post) = (Arc::clone(&server.house.accounts), server.house.post.clone());
    let worker = tokio::spawn(async move {
        loop {
            while let Some(claimed) = accounts.claim_mail().await.unwrap() {
                accounts.send_mail(&claimed, &post).await.unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    let before = server.house.post.tried();
    let t = welch(&server, FORGOT, 202, [&known_address, &unknown_address]).await;
    assert!(server.house.post.tried() > before + 10, "it tried meanwhile");
    worker.abort();
    assert!(t.abs() < LIMIT, "forgot-password while no mail goes: t = {t:.1}");
}

/// An address is known or not; each is asked for once, so that no limit comes between.
async fn sign_up_known(server: &TestServer) {
    for round in 0..ROUNDS + 5 {
        let email = format!("known-{round}@example.com");
        let typed = vestibule_testkit::signing_up(&email, "Ann");
        server
            .house
            .accounts
            .sign_up(typed, &vestibule::models::Client::default())
            .await
            .expect("a good sign-up succeeds");
    }
    server.house.deliver().await;
}

fn known_address(round: u32) -> Value {
    json!({ "email": format!("known-{round}@example.com") })
}

fn unknown_address(round: u32) -> Value {
    json!({ "email": format!("unknown{round}@example.com") })
}

async fn generous_server(kind: DatabaseKind) -> TestServer {
    generous_server_that_holds(kind, ANSWERS_ARE_HELD_FOR).await
}

async fn generous_server_that_holds(
    kind: DatabaseKind,
    answers_are_held_for: std::time::Duration,
) -> TestServer {
    let house = HouseOptions { policy: generous, ..HouseOptions::default() };
    let options = ServerOptions { house, answers_are_held_for, ..ServerOptions::default() };
    TestServer::start_on(&TestDatabase::create(kind).await, options).await
}

/// The worker does more for an address that somebody has, and must not hold up the request by it.
#[rstest]
#[tokio::test]
async fn nor_does_it_while_the_mails_are_delivered(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = generous_server_that_holds(kind, A_SHORT_MOMENT).await;
    sign_up_known(&server).await;
    let (accounts, post) = (Arc::clone(&server.house.accounts), server.house.post.clone());
    let worker = tokio::spawn(async move {
        loop {
            while let Some(claimed) = accounts.claim_mail().await.unwrap() {
                accounts.send_mail(&claimed, &post).await.unwrap();
            }
            // Far sooner than the worker of a server looks again.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    let before = server.house.post.delivered().len();
    let t = welch(&server, FORGOT, 202, [&known_address, &unknown_address]).await;
    assert!(server.house.post.delivered().len() > before + 10, "it delivered meanwhile");
    worker.abort();
    assert!(t.abs() < LIMIT, "forgot-password beside a worker: t = {t:.1}");
}

#[rstest]
#[tokio::test]
async fn time_does_not_tell_who_has_an_account_where_the_address_is_confirmed_first(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let policy = |policy| Policy { sign_up: SignUpMode::ConfirmFirst, ..generous(policy) };
    let house = HouseOptions { policy, ..HouseOptions::default() };
    let options =
        ServerOptions { house, answers_are_held_for: ANSWERS_ARE_HELD_FOR, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
    for round in 0..ROUNDS + 5 {
        let email = format!("known-{round}@example.com");
        let new = AddUser {
            name: "Ann",
            email: &email,
            password: PASSWORD,
            role: &Role::User,
            is_email_verified: true,
        };
        server.house.accounts.add_user(new, &Administrator::at_the_command_line()).await.unwrap();
    }
    let body = |email: String| json!({ "name": "Ann", "email": email, "password": PASSWORD });
    let known = |round| body(format!("known-{round}@example.com"));
    let unknown = |round| body(format!("unknown{round}@example.com"));
    let t = welch(&server, "/api/auth/sign-up", 202, [&known, &unknown]).await;
    assert!(t.abs() < LIMIT, "sign-up: t = {t:.1}");
}

/// The mistake that the tests above are there for.
struct WithoutDecoy(HashingSlots);

#[async_trait]
impl HasherChange for WithoutDecoy {
    fn real(&self) -> &HashingSlots {
        &self.0
    }

    async fn matches(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        whose: Standing,
    ) -> Result<bool, HasherError> {
        if hash.is_none() { Ok(false) } else { self.0.matches(password, hash, whose).await }
    }
}

#[tokio::test]
async fn a_missing_hash_would_be_noticed() {
    let house = HouseOptions {
        hasher: Some(Arc::new(Changed(WithoutDecoy(least_slots())))),
        policy: generous,
        ..HouseOptions::default()
    };
    // The moment after which it is told would hide it.
    let options = ServerOptions { house, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(Sqlite).await, options).await;
    signed_up(&server, "ann").await;
    let (known, unknown) = (|_| wrong("ann@example.com"), |_| wrong("nobody@example.com"));
    let t = welch(&server, LOG_IN, 401, [&known, &unknown]).await;
    assert!(t > 2.0 * LIMIT, "t = {t:.1}");
}
