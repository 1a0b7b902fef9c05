use anyhow::Result;
use serde_json::json;

use crate::figures::Rounds;
use crate::hash_loop;
use crate::house::{Engine, FEW, House};
use crate::measuring::{Bench, Line};
use crate::wrk::{self, Load, Order};

const CONNECTIONS: usize = 8;
const LEAST_OF_HASHING: f64 = 0.95;

/// Log-ins, against hashing alone.
pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let house = House::open(bench, Engine::Postgres, FEW, &[])?;
    let log_ins = house.log_ins(house.users())?;
    let address = house.site.address.as_str();
    let (mut rates, mut p99s, mut raw) = (Rounds::default(), Rounds::default(), Rounds::default());
    for _ in 0..bench.rounds() {
        // A log-in takes long: in a short round the first and the last would weigh too much.
        let lasts = bench.round() * 2;
        raw.push(hash_loop::rate(lasts)?);
        let load = Load { address, connections: CONNECTIONS, lasts, requests: &log_ins, order: Order::Again };
        let measured = wrk::run(&load)?;
        rates.push(measured.rate);
        p99s.push(measured.p99 / 1e3);
    }
    let part = rates.median() / raw.median();
    Ok(vec![Line {
        name: "log-in, 8 connections, PostgreSQL".to_owned(),
        measured: format!("{:.1}/s ±{:.0} %, {:.1} %", rates.median(), rates.spread() * 50.0, part * 100.0),
        asked: format!("at least {:.0} % of raw hashing", LEAST_OF_HASHING * 100.0),
        holds: Some(part >= LEAST_OF_HASHING),
        figures: json!({
            "rate": rates.to_json(),
            "p99 in ms": p99s.to_json(),
            "rate of raw hashing": raw.to_json(),
            "part of it": part,
        }),
    }])
}
