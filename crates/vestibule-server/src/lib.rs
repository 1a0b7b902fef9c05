//! Runs Vestibule: everything between `fn main` and a site that answers.
//!
//! 1. [`App`]: what an application adds: its name, layout, tables and routes. [`run`] does the rest;
//! 2. `command_line.rs` and `commands/`: what can be asked of the program;
//! 3. [`settings`]: the configuration, from a file and the environment, checked before anything starts;
//! 4. `exposed_file.rs`: refuses secrets that everybody can read; `memory.rs`: how much of it there is for hashing;
//! 5. `house.rs`: puts database, accounts and routes together; [`breached_passwords`]: who knows of leaked passwords;
//! 6. `serving.rs`: takes connections, and puts a limit to what a stranger can draw out;
//! 7. [`transports`]: how mails leave the house; `workers/`: who keeps certificates; the others are those of `vestibule-house`;
//! 8. `backups/`: what is in a backup, who can read it, and where it is kept;
//! 9. `telemetry.rs`: the log; `metrics.rs`: the numbers; `traces.rs`: what OpenTelemetry is told.
//! 10. [`SetParts`]: what settings make of the parts of an application that runs itself;
//! 11. `doctor/`: proves a deployment, one file for each check.

#![forbid(unsafe_code)]

mod app;
mod backups;
pub mod breached_passwords;
mod certificates;
mod command_line;
mod commands;
mod doctor;
mod exposed_file;
mod failure;
mod house;
mod https_client;
mod interruption;
mod log_lines;
mod log_output;
mod memory;
mod metrics;
mod parts;
mod plain_http;
mod secret_file;
mod serving;
pub mod settings;
mod telemetry;
mod terminal;
mod traces;
pub mod transports;
mod workers;

pub use app::{App, run};
pub use parts::{PartsError, SetParts};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
