use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{say, test};

/// A machine without network must not make a run hang.
const FETCH_LIMIT: Duration = Duration::from_secs(90);

/// Runs all checks, cheapest first.
pub fn run() -> Result<()> {
    step("format", "run `cargo fmt --all`", || cargo(&["fmt", "--all", "--check"], &[]))?;
    step("lints", "mend what clippy names", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[])
    })?;
    step("licences, bans, advisories", "see deny.toml; `cargo deny check` tells more", deny)?;
    step("docs", "mend what rustdoc names", || {
        cargo(&["doc", "--workspace", "--no-deps", "--locked"], &[("RUSTDOCFLAGS", "-D warnings")])
    })?;
    step("tests", "`cargo xtask test` runs them alone", || test::run(&[]))
}

fn step(name: &str, way_out: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
    say::heading(name);
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a check took is no business of the server's clock"
    )]
    let started = Instant::now();
    check().with_context(|| format!("{name}: {way_out}"))?;
    say::note(&format!("{name}: passed in {} s", started.elapsed().as_secs()));
    Ok(())
}

fn deny() -> Result<()> {
    let has_deny = Command::new("cargo")
        .args(["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_deny {
        say::note("installing cargo-deny, which takes some minutes");
        cargo(&["install", "--locked", "--quiet", "cargo-deny"], &[])?;
    }
    cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"], &[])?;
    match fetch_advisories() {
        Ok(()) => cargo(&["deny", "--all-features", "check", "--disable-fetch", "advisories"], &[]),
        Err(error) if must_check_advisories() => Err(error),
        Err(error) => {
            say::warning(&format!(
                "ADVISORIES WERE NOT CHECKED: {error:#}.\nWhere the network allows it, run `cargo deny check advisories`."
            ));
            Ok(())
        }
    }
}

/// Fetches the database of advisories, within a limit.
fn fetch_advisories() -> Result<()> {
    let mut fetch = Command::new("cargo")
        .args(["deny", "fetch", "db"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cargo-deny cannot be run")?;
    #[expect(
        clippy::disallowed_methods,
        reason = "waiting for a program is no business of the server's clock"
    )]
    let started = Instant::now();
    loop {
        if let Some(status) = fetch.try_wait()? {
            ensure!(status.success(), "the database of advisories could not be fetched ({status})");
            return Ok(());
        }
        if started.elapsed() > FETCH_LIMIT {
            fetch.kill()?;
            fetch.wait()?;
            bail!("the database of advisories could not be fetched within {} s", FETCH_LIMIT.as_secs());
        }
        #[expect(clippy::disallowed_methods, reason = "there is nothing else to do meanwhile")]
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[expect(clippy::disallowed_methods, reason = "tasks are no part of the server, and have no settings")]
fn must_check_advisories() -> bool {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
    is("GITHUB_ACTIONS", "true") || is("VESTIBULE_REQUIRE_ADVISORIES", "1")
}

fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let status = Command::new("cargo")
        .args(arguments)
        .envs(environment.iter().copied())
        .status()
        .context("cargo cannot be run")?;
    ensure!(status.success(), "`cargo {}` ({status})", arguments.join(" "));
    Ok(())
}
