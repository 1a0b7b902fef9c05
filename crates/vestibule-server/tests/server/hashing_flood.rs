//! What a flood of log-ins does to those who are logged in already. Measured and not asserted, for it compares durations of a
//! busy machine: `cargo nextest run -p vestibule-server hashing_flood --run-ignored only --no-capture`.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use vestibule::ports::{Argon2Parameters, HashingPlan, HashingSlots, OsRandom, Stopwatch, SystemStopwatch};
use vestibule_server::lower_priority_of_this_thread;
use vestibule_testkit::{
    DatabaseKind, HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer, generous,
};

const CHECKS: usize = 600;
const CALLERS: usize = 48;

/// The 50th and the 99th of a hundred session checks, in microseconds, and how many log-ins were answered meanwhile.
async fn checks_under_a_flood(on_thread_start: fn()) -> (u128, u128, u64) {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let plan = HashingPlan { on_thread_start, ..HashingPlan::new(Argon2Parameters::FLOOR, cores) };
    let hasher = Arc::new(HashingSlots::start(plan, Arc::new(OsRandom)));
    let house = HouseOptions { hasher: Some(hasher), policy: generous, ..HouseOptions::default() };
    let options = ServerOptions { house, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(DatabaseKind::Sqlite).await, options).await;
    let ann = server.house.signed_up("ann").await;
    let bearer = format!("Bearer {}", ann.tokens.access.as_str());

    let is_over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (wire, is_over) = (server.anonymous(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let body = json!({ "email": "nobody@example.com", "password": PASSWORD });
                let mut answered = 0_u64;
                while !is_over.load(Ordering::Relaxed) {
                    let answer = wire.post_json("/api/auth/log-in", &body).await;
                    answered += u64::from(answer.status == 401);
                }
                answered
            })
        })
        .collect();
    let wire = server.anonymous();
    let mut took = Vec::new();
    for number in 0..CHECKS {
        let stopwatch = SystemStopwatch::start();
        let headers = [("authorization", bearer.as_str())];
        let answer = wire.send(reqwest::Method::GET, "/api/auth/session", &headers, "").await;
        assert_eq!(answer.status, 200);
        if number >= CHECKS / 10 {
            took.push(stopwatch.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for caller in callers {
        answered += caller.await.unwrap();
    }
    took.sort_unstable();
    (took[took.len() / 2].as_micros(), took[took.len() * 99 / 100].as_micros(), answered)
}

#[ignore = "it measures; there is nothing to fail"]
#[tokio::test(flavor = "multi_thread")]
async fn how_long_a_session_check_takes_under_a_flood_of_log_ins() {
    for _ in 0..3 {
        for (name, first) in
            [("as others", (|| {}) as fn()), ("standing back", lower_priority_of_this_thread)]
        {
            let (median, p99, answered) = checks_under_a_flood(first).await;
            eprintln!("{name:<14} p50 {median:>7} µs   p99 {p99:>7} µs   log-ins answered {answered}");
        }
    }
}
