//! Who guesses passwords over HTTP: at once, by side doors, in other spellings, behind other addresses.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use time::Duration;
use vestibule::Policy;
use vestibule::models::{Password, PasswordHash, Quota, RateLimits};
use vestibule::ports::{HasherError, HashingSlots, PasswordHasher, Standing};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{
    Anonymous, Answer, Changed, HasherChange, HouseOptions, PASSWORD, ServerOptions, TestDatabase,
    TestServer, least_slots,
};

use crate::{DEVICE, FORM, JSON, is_logged_in, sign_up_of, signed_up};

const LOG_IN: &str = "/api/auth/log-in";
const WRONG: &str = "wrong window thursday";
const ANN: &str = "ann@example.com";

/// Small quotas, each of another size, so that a test tells which one refused.
fn small(policy: Policy) -> Policy {
    let hour = Duration::hours(1);
    let rate_limits = RateLimits {
        passwords_by_pair: Quota::new(3, hour),
        passwords_by_device: Quota::new(4, hour),
        passwords_by_account: Quota::new(5, hour),
        passwords_by_address: Quota::new(7, hour),
        mails_by_address: Quota::new(3, hour),
        sign_ups_by_address: Quota::new(3, hour),
        ..RateLimits::default()
    };
    Policy { rate_limits: Some(rate_limits), ..policy }
}

/// Counts the passwords that are compared.
struct Counting(HashingSlots, AtomicUsize);

#[async_trait]
impl HasherChange for Counting {
    fn real(&self) -> &HashingSlots {
        &self.0
    }

    async fn matches(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        whose: Standing,
    ) -> Result<bool, HasherError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.matches(password, hash, whose).await
    }
}

/// A server behind a proxy at 127.0.0.1, which is where tests come from.
struct Besieged {
    server: TestServer,
    hasher: Arc<Changed<Counting>>,
}

impl Besieged {
    async fn start(kind: DatabaseKind) -> Self {
        Self::behind(kind, "127.0.0.1, 10.0.0.0/8").await
    }

    async fn behind(kind: DatabaseKind, proxies: &str) -> Self {
        let hasher = Arc::new(Changed(Counting(least_slots(), AtomicUsize::new(0))));
        let house = HouseOptions { policy: small, hasher: Some(hasher.clone()), ..HouseOptions::default() };
        let options = ServerOptions {
            house,
            trusted_proxies: proxies.parse().expect("a test names networks"),
            ..ServerOptions::default()
        };
        let server = TestServer::start_on(&TestDatabase::create(kind).await, options).await;
        Self { server, hasher }
    }

    fn compared(&self) -> usize {
        self.hasher.0.1.load(Ordering::Relaxed)
    }

    /// Guesses from an address, as the proxy hands it on.
    async fn guess(&self, email: &str, from: &str) -> Answer {
        guess(&self.server.anonymous(), email, from).await
    }
}

async fn guess(anonymous: &Anonymous, email: &str, from: &str) -> Answer {
    let body = json!({ "email": email, "password": WRONG }).to_string();
    anonymous.send(Method::POST, LOG_IN, &[JSON, ("x-forwarded-for", from)], body).await
}

// A2: parallel guesses beat the counter.
#[rstest]
#[tokio::test]
async fn of_a_hundred_wrong_passwords_at_once_exactly_the_allowed_number_is_compared(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let besieged = Besieged::start(kind).await;
    signed_up(&besieged.server, "ann").await;
    let guesses = (0..100).map(|_| {
        let anonymous = besieged.server.anonymous();
        tokio::spawn(async move { guess(&anonymous, ANN, "203.0.113.9").await.status.as_u16() })
    });
    let mut statuses = Vec::new();
    for guess in guesses.collect::<Vec<_>>() {
        statuses.push(guess.await.unwrap());
    }
    let count = |status| statuses.iter().filter(|seen| **seen == status).count();
    assert_eq!((count(401), count(429), besieged.compared()), (3, 97, 3));
}

// A7: a success cleared the address's failure count.
#[rstest]
#[tokio::test]
async fn who_logs_in_to_an_account_of_their_own_between_guesses_gains_nothing(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let besieged = Besieged::start(kind).await;
    signed_up(&besieged.server, "ann").await;
    signed_up(&besieged.server, "eve").await;
    let own = json!({ "email": "eve@example.com", "password": PASSWORD }).to_string();
    let mut looked_at = 0;
    for number in 0..12 {
        let answer = besieged.guess(&format!("user{number}@example.com"), "203.0.113.9").await;
        looked_at += usize::from(answer.status == 401);
        let headers = [JSON, ("x-forwarded-for", "203.0.113.9")];
        besieged.server.anonymous().send(Method::POST, LOG_IN, &headers, own.clone()).await;
    }
    assert_eq!(looked_at, 7);
}

// A8: `X-Forwarded-For` believed.
#[rstest]
#[tokio::test]
async fn a_forged_address_gives_nobody_another_try(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let besieged = Besieged::behind(kind, "10.0.0.0/8").await;
    signed_up(&besieged.server, "ann").await;
    for number in 0..20 {
        let forged = Ipv4Addr::from(0xCB00_7100 + number).to_string();
        let element = format!("for={forged}");
        let headers = [
            JSON,
            ("x-forwarded-for", forged.as_str()),
            ("x-real-ip", &forged),
            ("forwarded", &element),
            ("cf-connecting-ip", &forged),
        ];
        let body = json!({ "email": ANN, "password": WRONG }).to_string();
        let answer = besieged.server.anonymous().send(Method::POST, LOG_IN, &headers, body).await;
        assert_eq!(answer.status, if number < 3 { 401 } else { 429 });
    }
    assert_eq!(besieged.compared(), 3);
}

// A8: two trusted hops give the real address.
#[rstest]
#[tokio::test]
async fn behind_two_proxies_the_address_is_the_client_s_own(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let besieged = Besieged::start(kind).await;
    for (number, (headers, told)) in [
        (vec![("x-forwarded-for", "203.0.113.9, 10.0.0.7")], Some("203.0.113.9")),
        (
            vec![("x-forwarded-for", "198.51.100.1, 203.0.113.9"), ("x-forwarded-for", "10.0.0.7")],
            Some("203.0.113.9"),
        ),
        (vec![("forwarded", "for=\"[2001:db8::7]:1\", for=10.0.0.7")], Some("2001:db8::7")),
        (vec![("x-forwarded-for", "::ffff:203.0.113.10")], Some("203.0.113.10")),
        (vec![("forwarded", "for=198.51.100.1"), ("x-forwarded-for", "203.0.113.11")], Some("203.0.113.11")),
        (vec![("x-forwarded-for", "203.0.113.9, what?")], None),
        (vec![], None),
    ]
    .into_iter()
    .enumerate()
    {
        let headers = [&[JSON][..], &headers].concat();
        let body = sign_up_of(&format!("user{number}")).to_string();
        let answer =
            besieged.server.anonymous().send(Method::POST, "/api/auth/sign-up", &headers, body).await;
        assert_eq!(answer.status, 201, "{headers:?}");
        assert_eq!(answer.json()["session"]["ip"].as_str(), told, "{headers:?}");
    }
}

// A14: the ban's key was not canonical.
#[rstest]
#[tokio::test]
async fn spellings_of_an_address_share_one_count(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let besieged = Besieged::start(kind).await;
    signed_up(&besieged.server, "ann").await;
    let spellings =
        ["ann@example.com", "ANN@example.com", "ann@EXAMPLE.COM", " ann@example.com ", "Ann@Example.com"];
    for (number, spelling) in spellings.into_iter().enumerate() {
        let answer = besieged.guess(spelling, "203.0.113.9").await;
        assert_eq!(answer.status, if number < 3 { 401 } else { 429 }, "{spelling}");
    }
    // Other forms of Unicode are no address at all, or the same one.
    for spelling in [
        "ann@example\u{FF0E}com",
        "\u{FF41}nn@example.com",
        "ann\u{FF20}example.com",
        "ann@example.com\u{200B}",
    ] {
        let answer = besieged.guess(spelling, "203.0.113.9").await;
        assert!([422, 429].contains(&answer.status.as_u16()), "{spelling}: {answer:?}");
    }
    assert_eq!(besieged.compared(), 3);
}

// A31: the counter lived in the attacker's cookie.
#[rstest]
#[tokio::test]
async fn no_cookie_that_is_dropped_or_made_up_resets_a_count(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let besieged = Besieged::start(kind).await;
    let ann = signed_up(&besieged.server, "ann").await;
    let mut eve = signed_up(&besieged.server, "eve").await;
    let genuine = ann.cookie(DEVICE).unwrap().to_owned();
    let body = json!({ "email": ANN, "password": WRONG });
    for number in 0..20 {
        match number % 4 {
            0 => eve = besieged.server.browser(),
            1 => eve.set_cookie(DEVICE, "made-up"),
            2 => eve.set_cookie(DEVICE, &format!("{}x", &genuine[..genuine.len() - 1])),
            _ => eve.drop_cookie(DEVICE),
        }
        let headers = [JSON, ("x-forwarded-for", "203.0.113.9")];
        let answer = eve.send(Method::POST, LOG_IN, &headers, body.to_string()).await;
        assert_eq!(answer.status, if number < 3 { 401 } else { 429 }, "{number}");
    }
    assert_eq!(besieged.compared(), 3);
}

// A43: path variants escaped the limiter.
#[rstest]
#[tokio::test]
async fn no_spelling_of_the_path_leads_to_a_password_beside_the_count(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let besieged = Besieged::start(kind).await;
    signed_up(&besieged.server, "ann").await;
    for _ in 0..5 {
        besieged.guess(ANN, "203.0.113.9").await;
    }
    assert_eq!(besieged.compared(), 3);
    let form = format!("email={ANN}&password=wrong");
    let json = json!({ "email": ANN, "password": WRONG }).to_string();
    for (prefix, kind, body) in [("", FORM.1, form), ("/api/auth", JSON.1, json)] {
        for variant in [
            "//log-in",
            "/log-in/",
            "/%6cog-in",
            "/LOG-IN",
            "/./log-in",
            "/x/../log-in",
            "/log-in;a=b",
            "/log-in?a=b",
            "/log-in%20",
        ] {
            let request = format!(
                "POST {prefix}{variant} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\nContent-Type: {kind}\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let answer = besieged.server.anonymous().send_raw(request.as_bytes()).await;
            let status = answer.status.as_u16();
            assert!([404, 405, 429].contains(&status), "{prefix}{variant}: {answer:?}");
        }
    }
    assert_eq!(besieged.compared(), 3);
}

// A44: extra fields or repeated keys changed the limiter's key.
#[rstest]
#[tokio::test]
async fn extra_fields_and_repeated_keys_change_no_count(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let besieged = Besieged::start(kind).await;
    signed_up(&besieged.server, "ann").await;
    for number in 0..8 {
        let other = format!("user{number}@example.com");
        let bodies = [
            (LOG_IN, JSON, format!(r#"{{"email":"{other}","email":"{ANN}","password":"{WRONG}"}}"#)),
            (
                LOG_IN,
                JSON,
                format!(r#"{{"email":"{ANN}","password":"{WRONG}","user":"{other}","{other}":1}}"#),
            ),
            (LOG_IN, JSON, format!(r#"{{"email":["{other}","{ANN}"],"password":"{WRONG}"}}"#)),
            ("/log-in", FORM, format!("email={other}&email={ANN}&password=wrong")),
            ("/log-in", FORM, format!("email={ANN}&password=wrong&email[]={other}&username={other}")),
            ("/log-in?email=x@example.com", FORM, format!("email={ANN}&password=wrong")),
        ];
        for (path, kind, body) in bodies {
            let headers = [kind, ("x-forwarded-for", "203.0.113.9")];
            let answer = besieged.server.anonymous().send(Method::POST, path, &headers, body.clone()).await;
            assert!([400, 401, 422, 429].contains(&answer.status.as_u16()), "{body}: {answer:?}");
        }
    }
    assert_eq!(besieged.compared(), 3, "all of them are Ann's, or nobody's");
}

// A45: another door tested the same secret uncounted.
#[rstest]
#[tokio::test]
async fn every_door_takes_from_one_count(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let besieged = Besieged::start(kind).await;
    let mut ann = signed_up(&besieged.server, "ann").await;
    let token = besieged.server.house.mailed_token(ANN).await;
    let wrong = json!({ "current_password": WRONG, "email": "ann@example.org", "new_password": "velvet orchard seventeen" });
    let step_up = json!({ "password": WRONG });
    let doors = [
        (Method::POST, "/api/account/password", wrong.clone()),
        (Method::POST, "/api/auth/confirm-password", step_up),
        (Method::POST, "/api/account/email", wrong.clone()),
        (Method::DELETE, "/api/account", wrong),
        (Method::POST, LOG_IN, json!({ "email": ANN, "password": WRONG })),
    ];
    for (number, (method, path, body)) in doors.iter().enumerate() {
        let answer = ann.call(method.clone(), path, Some(body)).await;
        assert_eq!(answer.status, if number < 4 { 401 } else { 429 }, "{path}: {answer:?}");
    }
    for (method, path, body) in &doors {
        assert_eq!(ann.call(method.clone(), path, Some(body)).await.status, 429, "{path}");
    }
    // Confirming the address with the password, where nobody is logged in.
    let mut logged_out = besieged.server.browser();
    logged_out.set_cookie(DEVICE, ann.cookie(DEVICE).unwrap());
    let body = json!({ "token": token, "password": PASSWORD });
    assert_eq!(logged_out.call(Method::POST, "/api/auth/confirm-email", Some(&body)).await.status, 429);
    assert_eq!(besieged.compared(), 4);
    assert!(is_logged_in(&ann).await, "whoever is logged in stays it");
}

// A46: lock-out as an attack.
#[rstest]
#[tokio::test]
async fn a_thousand_wrong_guesses_do_not_stop_the_browser_of_the_owner(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let besieged = Besieged::start(kind).await;
    let mut ann = signed_up(&besieged.server, "ann").await;
    ann.call(Method::POST, "/api/auth/log-out", None).await;
    let mut refused = 0;
    for round in 0..20_u32 {
        let guesses = (0..50_u32).map(|number| {
            let anonymous = besieged.server.anonymous();
            let from = Ipv4Addr::from(0xCB00_0000 + round * 50 + number).to_string();
            tokio::spawn(async move { guess(&anonymous, ANN, &from).await.status })
        });
        for guess in guesses.collect::<Vec<_>>() {
            refused += usize::from(guess.await.unwrap() == 429);
        }
    }
    assert_eq!((refused, besieged.compared()), (995, 5), "the account's five were looked at");
    assert_eq!(besieged.guess(ANN, "198.51.100.7").await.status, 429, "an unknown browser waits");
    assert_eq!(ann.log_in("ann").await.status, 200);
}

// A56: limits of mails told who exists.
#[rstest]
#[tokio::test]
async fn limits_of_mails_tell_nobody_who_has_an_account(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let besieged = Besieged::start(kind).await;
    signed_up(&besieged.server, "ann").await;
    let mut seen = Vec::new();
    for (email, network) in [(ANN, "203.0.113"), ("nobody@example.com", "198.51.100")] {
        let mut answers = Vec::new();
        for number in 0..12 {
            // First from one address until it is limited, then each time from another, past five an hour to the mailbox.
            let from = format!("{network}.{}", if number < 5 { 1 } else { number });
            let body = json!({ "email": email }).to_string();
            let headers = [JSON, ("x-forwarded-for", from.as_str())];
            let answer = besieged
                .server
                .anonymous()
                .send(Method::POST, "/api/auth/forgot-password", &headers, body)
                .await;
            let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
            names.sort();
            answers.push((answer.status.as_u16(), answer.text.clone(), names));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    let statuses: Vec<_> = seen[0].iter().map(|(status, ..)| *status).collect();
    assert_eq!(statuses, [202, 202, 202, 429, 429, 202, 202, 202, 202, 202, 202, 202]);
}

// A62: without the address of a client the whole site was one bucket.
#[rstest]
#[tokio::test]
async fn an_address_that_is_not_known_is_no_bucket_for_all(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let besieged = Besieged::start(kind).await;
    signed_up(&besieged.server, "ann").await;
    signed_up(&besieged.server, "bob").await;
    // The proxy says something that cannot be read.
    for number in 0..30 {
        let answer = besieged.guess(&format!("user{number}@example.com"), "unknown").await;
        assert_eq!(answer.status, 401, "{number}: far more than one address may");
    }
    for number in 0..8 {
        let answer = besieged.guess(ANN, "what?").await;
        assert_eq!(answer.status, if number < 5 { 401 } else { 429 }, "the account is counted all the same");
    }
    let mut bob = besieged.server.browser();
    assert_eq!(bob.log_in("bob").await.status, 200, "and nobody else is shut out");
}
