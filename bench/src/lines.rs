//! The promises, one file each.

mod binary;
mod cold_start;
mod growth;
mod log_in;
mod memory;
mod refresh;
mod revocation;
mod session_check;
mod statements;
mod under_log_ins;

use anyhow::Result;

use crate::measuring::{Bench, Line};

/// A measurement.
type Measure = fn(&Bench) -> Result<Vec<Line>>;

/// All measurements, by the names that `--only` takes.
pub const ALL: &[(&str, Measure)] = &[
    ("binary", binary::measure),
    ("cold-start", cold_start::measure),
    ("statements", statements::measure),
    ("session-check", session_check::measure),
    ("refresh", refresh::measure),
    ("log-in", log_in::measure),
    ("under-log-ins", under_log_ins::measure),
    ("revocation", revocation::measure),
    ("memory", memory::measure),
    ("growth", growth::measure),
];
