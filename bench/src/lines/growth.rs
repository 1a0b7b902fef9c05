use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::refresh::{CONNECTIONS, MOST_A_SECOND, SESSIONS_A_ROUND};
use crate::figures::Rounds;
use crate::house::{Engine, FEW, House};
use crate::measuring::{Bench, Line};
use crate::wrk::{self, Load, Order};

const MANY: u64 = 1_000_000;
/// Of a quick run.
const QUITE_A_FEW: u64 = 20_000;
/// Checked of a small site.
const SESSIONS: u64 = 500;
/// Of a large one: each reads pages of two tables and their indexes that few others read, more in all than PostgreSQL keeps in its memory.
const MANY_SESSIONS: u64 = 5000;
const LOGGING_IN: usize = 8;
const MOST_TIMES: f64 = 1.25;

/// What it costs to have many users, beside what it costs to have few.
pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let mut lines = of(bench, Engine::Postgres)?;
    lines.extend(of(bench, Engine::Sqlite)?);
    Ok(lines)
}

fn of(bench: &Bench, engine: Engine) -> Result<Vec<Line>> {
    let many = if bench.is_quick { QUITE_A_FEW } else { MANY };
    // Without a cache: what is looked at is how the database grows.
    let settings = [("VESTIBULE_SESSION_CACHE", "0")];
    let houses = [House::open(bench, engine, FEW, &settings)?, House::open(bench, engine, many, &settings)?];
    let loaded = houses[1].loaded;
    let mut lines = vec![Line {
        name: format!("loading {many} users, {} sessions, {}", 3 * many, engine.name()),
        measured: format!("{:.0} s, {} MiB", loaded.seconds, loaded.bytes >> 20),
        asked: String::new(),
        holds: None,
        figures: json!({ "seconds": loaded.seconds, "bytes": loaded.bytes }),
    }];
    let checks = [houses[0].checks(SESSIONS)?, houses[1].checks(MANY_SESSIONS)?];
    let log_ins = [houses[0].log_ins(FEW)?, houses[1].log_ins(FEW)?];
    let [mut check, mut refresh, mut log_in] = [const { [const { Vec::new() }; 2] }; 3];
    for round in 0..=bench.rounds() {
        for (which, house) in houses.iter().enumerate() {
            let lasts = if round == 0 { Duration::from_secs(1) } else { bench.round() };
            let load = |requests: &[Vec<u8>], connections, order| {
                wrk::run(&Load { address: &house.site.address, connections, lasts, requests, order })
            };
            let refreshes = house.refreshes(MOST_A_SECOND * lasts.as_secs(), SESSIONS_A_ROUND)?;
            let measured = [
                load(&checks[which], CONNECTIONS, Order::Again)?,
                load(&refreshes, CONNECTIONS, Order::Once)?,
                load(&log_ins[which], LOGGING_IN, Order::Again)?,
            ];
            // The first round brings what is used into memory.
            if round > 0 {
                check[which].push(measured[0].rate);
                refresh[which].push(measured[1].rate);
                log_in[which].push(measured[2].rate);
            }
        }
    }
    for (what, [few, many]) in [("session check", check), ("refresh", refresh), ("log-in", log_in)] {
        let [few, many]: [Rounds; 2] = [few.into_iter().collect(), many.into_iter().collect()];
        let times = few.median() / many.median();
        lines.push(Line {
            name: format!("{what} with many users, {}", engine.name()),
            measured: format!("{:.0}/s of {:.0}/s, {times:.2} times", many.median(), few.median()),
            asked: format!("within {MOST_TIMES} times the cost of few"),
            holds: Some(times <= MOST_TIMES),
            figures: json!({ "rate with few": few.to_json(), "rate with many": many.to_json(), "times": times }),
        });
    }
    Ok(lines)
}
