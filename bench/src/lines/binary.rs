use anyhow::{Context, Result};
use serde_json::json;

use crate::measuring::{Bench, Line};

const MOST_MEGABYTES: f64 = 25.0;

/// How large the program is, stripped as a release is.
pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let metadata = std::fs::metadata(&bench.program)
        .with_context(|| format!("{} is not there", bench.program.display()))?;
    #[expect(clippy::cast_precision_loss, reason = "no program has 2^52 bytes")]
    let megabytes = metadata.len() as f64 / 1e6;
    Ok(vec![Line {
        name: "the program, stripped".to_owned(),
        measured: format!("{megabytes:.1} MB"),
        asked: format!("under {MOST_MEGABYTES} MB"),
        holds: Some(megabytes < MOST_MEGABYTES),
        figures: json!({ "megabytes": megabytes }),
    }])
}
