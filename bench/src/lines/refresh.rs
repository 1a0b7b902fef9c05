use anyhow::Result;
use serde_json::json;

use crate::figures::Rounds;
use crate::house::{Engine, FEW, House};
use crate::measuring::{Bench, Line};
use crate::wrk::{self, Load, Order};

pub const CONNECTIONS: usize = 32;
const SESSIONS: u64 = 300;
/// The secrets of so many sessions take turns in a round. Many more than there are connections, so that none is overtaken.
pub const SESSIONS_A_ROUND: u64 = 300;
/// So many requests are made ready for each second of a round. A machine that makes more has to be given more.
pub const MOST_A_SECOND: u64 = 15_000;
const LEAST_OF_CHECK: f64 = 0.4;

/// The refresh of a session, against a check of the same program that asks the database each time.
pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let house = House::open(bench, Engine::Postgres, FEW, &[("VESTIBULE_SESSION_CACHE", "0")])?;
    let checks = house.checks(SESSIONS)?;
    let address = house.site.address.as_str();
    let (mut rates, mut p99s, mut check_rates) = (Rounds::default(), Rounds::default(), Rounds::default());
    for _ in 0..bench.rounds() {
        let lasts = bench.round();
        let check = Load { address, connections: CONNECTIONS, lasts, requests: &checks, order: Order::Again };
        check_rates.push(wrk::run(&check)?.rate);
        let refreshes = house.refreshes(MOST_A_SECOND * lasts.as_secs(), SESSIONS_A_ROUND)?;
        let refresh =
            Load { address, connections: CONNECTIONS, lasts, requests: &refreshes, order: Order::Once };
        let measured = wrk::run(&refresh)?;
        rates.push(measured.rate);
        p99s.push(measured.p99 / 1e3);
    }
    let part = rates.median() / check_rates.median();
    Ok(vec![Line {
        name: "refresh, 32 connections, PostgreSQL".to_owned(),
        measured: format!("{:.0}/s ±{:.0} %, {:.0} %", rates.median(), rates.spread() * 50.0, part * 100.0),
        asked: format!("at least {:.0} % of an uncached check", LEAST_OF_CHECK * 100.0),
        holds: Some(part >= LEAST_OF_CHECK),
        figures: json!({
            "rate": rates.to_json(),
            "p99 in ms": p99s.to_json(),
            "rate of an uncached session check": check_rates.to_json(),
            "part of it": part,
        }),
    }])
}
