use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::figures::Rounds;
use crate::hello::Hello;
use crate::house::{Engine, FEW, House};
use crate::measuring::{Bench, Line};
use crate::wire::request;
use crate::wrk::{self, Load, Order};

const CONNECTIONS: usize = 32;
const SESSIONS: u64 = 500;
const LEAST_OF_HELLO: f64 = 0.5;

/// The check of a session, against the least that axum can answer.
pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let hello = Hello::start()?;
    let houses =
        [House::open(bench, Engine::Postgres, FEW, &[])?, House::open(bench, Engine::Sqlite, FEW, &[])?];
    let checks = [houses[0].checks(SESSIONS)?, houses[1].checks(SESSIONS)?];
    let bare = [request("GET /", "", "")];
    let load = |address, requests, lasts| {
        wrk::run(&Load { address, connections: CONNECTIONS, lasts, requests, order: Order::Again })
    };

    let (mut hellos, mut long_hellos) = (Rounds::default(), Rounds::default());
    let mut rates = [Rounds::default(), Rounds::default()];
    let mut p99s = [Rounds::default(), Rounds::default()];
    let mut costs = [Rounds::default(), Rounds::default()];
    for which in 0..2 {
        load(&houses[which].site.address, &checks[which], Duration::from_secs(1))?;
    }
    for _ in 0..bench.rounds() {
        hellos.push(load(&hello.address, &bare, bench.round())?.rate);
        // The same request as the check: what reading all these cookies' bytes costs by itself.
        long_hellos.push(load(&hello.address, &checks[0], bench.round())?.rate);
        for which in 0..2 {
            let before = houses[which].site.computed()?;
            let measured = load(&houses[which].site.address, &checks[which], bench.round())?;
            let computed = houses[which].site.computed()?.saturating_sub(before);
            #[expect(clippy::cast_precision_loss, reason = "no load sends 2^52 requests")]
            costs[which].push(computed.as_secs_f64() * 1e6 / measured.requests as f64);
            rates[which].push(measured.rate);
            p99s[which].push(measured.p99 / 1e3);
        }
    }

    let mut lines = vec![Line {
        name: "axum hello, 32 connections".to_owned(),
        measured: format!("{:.0}/s ±{:.0} %", hellos.median(), hellos.spread() * 50.0),
        asked: String::new(),
        holds: None,
        figures: json!({ "rate": hellos.to_json(), "rate with the request of a check": long_hellos.to_json() }),
    }];
    for (which, engine) in [Engine::Postgres, Engine::Sqlite].into_iter().enumerate() {
        let part = rates[which].median() / hellos.median();
        lines.push(Line {
            name: format!("session check, 32 connections, {}", engine.name()),
            measured: format!(
                "{:.0}/s ±{:.0} %, {:.0} %",
                rates[which].median(),
                rates[which].spread() * 50.0,
                part * 100.0
            ),
            asked: format!("at least {:.0} % of axum hello", LEAST_OF_HELLO * 100.0),
            holds: Some(part >= LEAST_OF_HELLO),
            figures: json!({
                "rate": rates[which].to_json(),
                "p99 in ms": p99s[which].to_json(),
                "microseconds of the program a request": costs[which].to_json(),
                "part of axum hello": part,
            }),
        });
    }
    Ok(lines)
}
