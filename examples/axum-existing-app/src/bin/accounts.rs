//! The command line of the library's accounts: `cargo run -p axum-existing-app --bin accounts -- user set-role ann@example.com librarian`,
//! with `VESTIBULE_DATABASE_URL=sqlite://data/library.db` and `VESTIBULE_ROLES=librarian`.

use std::process::ExitCode;
use std::sync::Arc;

use axum_existing_app::accounts::Membership;
use vestibule_axum::server::{App, run};

fn main() -> ExitCode {
    // Who gets an account by it is a member too.
    run(&App { hooks: |_| vec![Arc::new(Membership)], ..App::new("accounts") })
}
