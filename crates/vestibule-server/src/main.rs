//! Accounts beside an application in any language: the JSON API and the pages of accounts, and no others.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use vestibule_server::App;

fn main() -> ExitCode {
    vestibule_server::run(&App::new("vestibule"))
}
