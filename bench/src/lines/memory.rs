use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use vestibule::ports::{Stopwatch, SystemStopwatch};

use crate::house::{Engine, FEW, House};
use crate::measuring::{Bench, Line};
use crate::site::rest;
use crate::wrk::{self, Load, Order};

const CONNECTIONS: usize = 16;
const MOST_IDLE: f64 = 25.0;
const MOST_AT_ALL: f64 = 200.0;
/// So long after the load the memory is back.
const BACK_WITHIN: Duration = Duration::from_secs(30);
const SETTLES_WITHIN: Duration = Duration::from_secs(2);

/// What the program takes of memory: at rest, under as many log-ins as it can do, and after them.
pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let house = House::open(bench, Engine::Postgres, FEW, &[])?;
    let log_ins = house.log_ins(house.users())?;
    let site = house.second_server()?;
    rest(SETTLES_WITHIN);
    let (idle, _) = site.memory()?;
    let lasts = bench.round() * 3;
    let load = Load {
        address: &site.address,
        connections: CONNECTIONS,
        lasts,
        requests: &log_ins,
        order: Order::Again,
    };
    wrk::run(&load)?;
    let (_, most) = site.memory()?;
    let stopwatch = SystemStopwatch::start();
    let mut after = site.memory()?.0;
    while after > MOST_IDLE && stopwatch.elapsed() < BACK_WITHIN {
        rest(Duration::from_millis(200));
        after = site.memory()?.0;
    }
    let seconds = stopwatch.elapsed().as_secs_f64();
    let line = |name: &str, mebibytes: f64, bound: f64, more: &str| Line {
        name: name.to_owned(),
        measured: format!("{mebibytes:.0} MiB{more}"),
        asked: format!("under {bound} MiB"),
        holds: Some(mebibytes < bound),
        figures: json!({ "mebibytes": mebibytes, "seconds after": seconds }),
    };
    Ok(vec![
        line("memory, idle", idle, MOST_IDLE, ""),
        line("memory under log-ins, at most", most, MOST_AT_ALL, ""),
        line("memory after them", after, MOST_IDLE, &format!(" after {seconds:.1} s")),
    ])
}
