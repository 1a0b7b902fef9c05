//! Runs Vestibule: everything between `fn main` and a site that answers.
//!
//! 1. [`App`]: what an application adds: its name, layout, tables and routes. [`run`] does the rest;
//! 2. `command_line.rs` and `commands/`: what can be asked of the program;
//! 3. [`settings`]: the configuration, from a file and the environment, checked before anything starts;
//! 4. `house.rs`: puts database, accounts and routes together;
//! 5. [`breached_passwords`]: who knows of leaked passwords, a file or a service;
//! 6. [`transports`]: how mails leave the house; `workers/`: who sends them, and who removes what is over;
//! 7. `telemetry.rs`: the log; `metrics.rs`: the numbers.

#![forbid(unsafe_code)]

mod app;
pub mod breached_passwords;
mod command_line;
mod commands;
mod failure;
mod house;
mod https_client;
mod metrics;
mod secret_file;
pub mod settings;
mod telemetry;
pub mod transports;
mod workers;

pub use app::{App, run};
