use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use vestibule::ports::{Stopwatch, SystemStopwatch};

use crate::figures::Rounds;
use crate::house::{Engine, FEW, House};
use crate::measuring::{Bench, Line};
use crate::site::rest;
use crate::wire::Wire;
use crate::wrk::{self, Load, Order};

/// So many connections check sessions, each of which asks, waits this long, and asks again.
const CHECKERS: usize = 4;
const BETWEEN_CHECKS: Duration = Duration::from_millis(10);
/// Enough that every hashing slot is busy and some wait; too few to be sent away.
const LOGGING_IN: usize = 16;
const MOST_TIMES: f64 = 3.0;

/// What log-ins that keep every hashing slot busy do to those who are logged in.
pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let house = House::open(bench, Engine::Postgres, FEW, &[])?;
    let checks = house.checks(CHECKERS as u64)?;
    let log_ins = house.log_ins(house.users())?;
    let address = house.site.address.as_str();
    let lasts = bench.round() * 2;
    check(address, &checks, Duration::from_secs(1))?;
    let (mut idle_p99s, mut busy_p99s) = (Rounds::default(), Rounds::default());
    for _ in 0..bench.rounds() {
        idle_p99s.push(check(address, &checks, lasts)?.of_a_hundred(99));
        let load = Load {
            address,
            connections: LOGGING_IN,
            lasts: lasts + Duration::from_secs(1),
            requests: &log_ins,
            order: Order::Again,
        };
        let under_way = wrk::start(&load)?;
        rest(Duration::from_millis(500));
        busy_p99s.push(check(address, &checks, lasts)?.of_a_hundred(99));
        under_way.finish()?;
    }
    let times = busy_p99s.median() / idle_p99s.median();
    Ok(vec![Line {
        name: "session check while every hashing slot is busy".to_owned(),
        measured: format!("p99 {:.2} ms, {times:.1} times", busy_p99s.median()),
        asked: format!("within {MOST_TIMES} times its idle p99"),
        holds: Some(times <= MOST_TIMES),
        figures: json!({ "idle p99 in ms": idle_p99s.to_json(), "busy p99 in ms": busy_p99s.to_json(), "times": times }),
    }])
}

/// Checks sessions for a while, and gives how long each took, in ms.
fn check(address: &str, checks: &[Vec<u8>], lasts: Duration) -> Result<Rounds> {
    let checkers: Vec<_> = checks
        .iter()
        .map(|request| {
            let (address, request) = (address.to_owned(), request.clone());
            std::thread::spawn(move || -> Result<Vec<f64>> {
                let mut wire = Wire::open(&address)?;
                let (whole, mut took) = (SystemStopwatch::start(), Vec::new());
                while whole.elapsed() < lasts {
                    let stopwatch = SystemStopwatch::start();
                    let answer = wire.ask(&request)?;
                    took.push(stopwatch.elapsed().as_secs_f64() * 1e3);
                    ensure!(answer.status == 200, "who is logged in stays so: {}", answer.status);
                    rest(BETWEEN_CHECKS);
                }
                Ok(took)
            })
        })
        .collect();
    let mut all = Vec::new();
    for checker in checkers {
        all.extend(checker.join().ok().context("a checker ended early")??);
    }
    Ok(all.into_iter().collect())
}
