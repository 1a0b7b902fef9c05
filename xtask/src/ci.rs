use std::process::Stdio;
use std::time::Instant;

use anyhow::Result;

use crate::cargo::{self, cargo};
use crate::{check_deploy, deny, fuzz, instructions, package, room, say, schemathesis, test};

/// How long each target is fuzzed: enough to find what a change has broken. Longer runs are for people.
const FUZZ_SECONDS: u32 = 10;

/// Runs all checks, cheapest first.
pub fn run() -> Result<()> {
    room::tell_where_little();
    step("format", "run `cargo fmt --all`, and the same in fuzz/", || {
        cargo::run(&mut cargo(&["fmt", "--all", "--check"]))?;
        cargo::run(&mut cargo(&["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"]))
    })?;
    // They have a lock file of their own, which a new dependency of ours leaves behind.
    step("lock files", "`cargo update --workspace --manifest-path fuzz/Cargo.toml`", || {
        let metadata = "metadata --locked --format-version=1 --manifest-path fuzz/Cargo.toml";
        cargo::run(cargo(&words(metadata)).stdout(Stdio::null()))
    })?;
    step("lints", "mend what clippy names", || {
        let clippy = "clippy --workspace --all-targets --locked -- -D warnings";
        cargo::run(&mut cargo(&words(clippy)))
    })?;
    step("licences, bans, advisories", "see deny.toml; `cargo deny check` tells more", deny::check)?;
    step("docs", "mend what rustdoc names", || {
        let doc = "doc --workspace --no-deps --locked";
        cargo::run(cargo(&words(doc)).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("packages", "mend what is named; `cargo xtask package` runs this alone", || package::run(false))?;
    step(
        "what is deployed with",
        "mend what is named; `cargo xtask check-deploy` runs this alone",
        check_deploy::run,
    )?;
    // Before the tests, so that the closing lines are theirs.
    step("fuzzing", "the input is kept; `cargo xtask fuzz` goes on from there", || {
        fuzz::run(FUZZ_SECONDS, &[])
    })?;
    step("the API's document", "mend what differs, the document or the server", schemathesis::run)?;
    step(
        "instructions of a session check",
        "`cargo xtask instructions --as-tested` counts them alone",
        || instructions::run(instructions::Built::AsTested, false),
    )?;
    step("tests", "`cargo xtask test` runs them alone", || test::run(&[]))
}

fn step(name: &str, way_out: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
    say::heading(name);
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a check took is no business of the server's clock"
    )]
    let started = Instant::now();
    let checked = check();
    let seconds = started.elapsed().as_secs_f32();
    if let Err(error) = checked {
        say::note(&format!("{name}: did not pass, after {seconds:.1} s. The way out: {way_out}"));
        room::tell_where_next_to_none();
        return Err(error.context(name.to_owned()));
    }
    say::note(&format!("{name}: passed in {seconds:.1} s"));
    Ok(())
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}
