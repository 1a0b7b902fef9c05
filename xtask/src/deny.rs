use std::io::Read;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo};
use crate::{environment, say};

/// A machine without network must not make a run hang.
const FETCH_LIMIT: Duration = Duration::from_mins(1);

/// Checks the dependencies against deny.toml and the published advisories.
pub fn check() -> Result<()> {
    if !cargo::has("deny") {
        say::note("installing cargo-deny, which takes a few minutes");
        // Not optimised: it reads a graph of a few hundred crates, and most of the time is that of its compilation.
        cargo::run(&mut cargo(&["install", "--locked", "--quiet", "--debug", "cargo-deny"]))?;
    }
    cargo::run(&mut cargo(&["deny", "--locked", "check", "bans", "licenses", "sources"]))?;
    // Apart from the check itself: its exit code does not tell an advisory from a network that is down.
    match fetch_advisories() {
        Ok(()) => cargo::run(&mut cargo(&["deny", "--locked", "check", "advisories"])),
        Err(error) if must_check_advisories() => Err(error),
        Err(error) => {
            say::warning(&format!(
                "ADVISORIES WERE NOT CHECKED: {error:#}\n\
                 Where the network allows it, run `cargo deny check advisories`."
            ));
            Ok(())
        }
    }
}

fn must_check_advisories() -> bool {
    let is = |name: &str, value: &str| environment::variable(name).is_some_and(|set| set == value);
    is("GITHUB_ACTIONS", "true") || is("VESTIBULE_REQUIRE_ADVISORIES", "1")
}

/// Fetches the database of advisories, within a limit. The error says what cargo-deny said.
fn fetch_advisories() -> Result<()> {
    let mut fetch = cargo(&["deny", "fetch", "db"])
        // Git must not wait for a password that nobody types.
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cargo-deny cannot be run")?;
    let mut errors = fetch.stderr.take().expect("it was just piped");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut told = String::new();
        let read = errors.read_to_string(&mut told).map(|_| told);
        // Nobody listens any more once the limit is over.
        let _ = sender.send(read);
    });
    // What it says ends when it does.
    let Ok(told) = receiver.recv_timeout(FETCH_LIMIT) else {
        fetch.kill()?;
        fetch.wait()?;
        bail!("their database could not be fetched within {} s", FETCH_LIMIT.as_secs());
    };
    if fetch.wait()?.success() {
        return Ok(());
    }
    bail!("their database could not be fetched:\n{}", told?.trim())
}
