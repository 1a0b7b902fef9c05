use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::postgres::Cluster;
use crate::say;

const SERVER_VARIABLE: &str = "VESTIBULE_TEST_POSTGRES_URL";

/// Runs every test.
pub fn run(runner: &[String]) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "tasks are no part of the server, and have no settings")]
    let given = std::env::var(SERVER_VARIABLE).ok();
    let cluster = match &given {
        Some(_) => {
            say::note(&format!("using the PostgreSQL of {SERVER_VARIABLE}"));
            None
        }
        None => Some(Cluster::start()?),
    };
    let url = cluster.as_ref().map(Cluster::url).or(given).context("there is a cluster or a given server")?;
    if cluster.is_some() {
        say::note(&format!("a throw-away PostgreSQL serves at {url}"));
    }

    let has_nextest = Command::new("cargo")
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if has_nextest {
        // Doctests first, as nextest does not run them: its closing lines are to be the last.
        cargo(&["test", "--doc", "--workspace", "--locked", "--quiet"], &[], &url)?;
        cargo(&["nextest", "run", "--workspace", "--locked"], runner, &url)
    } else {
        say::note("cargo-nextest is not here; `cargo install --locked cargo-nextest` makes this faster");
        cargo(&["test", "--workspace", "--locked", "--no-fail-fast"], runner, &url)
    }
}

fn cargo(arguments: &[&str], more: &[String], server: &str) -> Result<()> {
    let status = Command::new("cargo")
        .args(arguments)
        .args(more)
        .env(SERVER_VARIABLE, server)
        .status()
        .context("cargo cannot be run")?;
    ensure!(status.success(), "`cargo {}` ({status})", arguments.join(" "));
    Ok(())
}
