use anyhow::Result;

use crate::figures::Rounds;
use crate::measuring::{Bench, Line};
use crate::site::Start;

const STARTS: usize = 21;
const MOST_MS: f64 = 50.0;

/// From running the program to its first answer, on an embedded database that is there already.
pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let folder = bench.new_folder()?;
    let database = format!("sqlite://{}", folder.join("data/vestibule.db").display());
    let start =
        Start { program: &bench.program, folder, settings: vec![("VESTIBULE_DATABASE_URL", database)] };
    // This one makes the database and the secret key.
    let first = start.serve()?.started_in.as_secs_f64() * 1e3;
    let mut took = Rounds::default();
    for _ in 0..STARTS {
        took.push(start.serve()?.started_in.as_secs_f64() * 1e3);
    }
    let mut figures = took.to_json();
    figures["on no database yet"] = first.into();
    Ok(vec![Line {
        name: "start to the first answer, SQLite".to_owned(),
        measured: format!("{:.1} ms, at most {:.1}", took.median(), took.most()),
        asked: format!("under {MOST_MS} ms"),
        holds: Some(took.median() < MOST_MS),
        figures,
    }])
}
