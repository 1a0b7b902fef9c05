use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo};
use crate::postgres_programs::is_root;
use crate::{apt, environment, say};

const NO_EXIM: &str = "Exim is not on this machine, and the walk over a real mail server is written for it. Install it:\n  \
    Debian, Ubuntu:  sudo apt-get install exim4-daemon-light\n  \
    Fedora:          sudo dnf install exim\n\
    It is started for the tests alone, on ports of 127.0.0.1";
const NOT_ITS_USER: &str = "Exim opens a port only as the user that it was made for: run this as root, or where `sudo -n` \
    may become that user";
/// Where packages put it.
const PROGRAMS: [&str; 3] = ["/usr/sbin/exim4", "/usr/sbin/exim", "/usr/local/sbin/exim"];

/// Runs the real program against a real mail server.
pub fn test() -> Result<()> {
    prepare()?;
    walk()
}

/// The same among all other tests, where a machine without a mail server is told of and passed over.
pub fn test_if_possible() -> Result<()> {
    match prepare() {
        Ok(()) => walk(),
        Err(error) if must_run() => Err(error),
        Err(error) => {
            say::warning(&format!("THE WALK OVER A REAL MAIL SERVER WAS NOT RUN: {error:#}"));
            Ok(())
        }
    }
}

fn must_run() -> bool {
    let is = |name: &str, value: &str| environment::variable(name).is_some_and(|set| set == value);
    is("GITHUB_ACTIONS", "true") || is("VESTIBULE_REQUIRE_SMTP", "1")
}

/// Sees to it that there is a mail server, and that it may be started.
fn prepare() -> Result<()> {
    let is_here = || PROGRAMS.iter().any(|program| Path::new(program).is_file());
    if !is_here() {
        apt::install("Exim", &["exim4-daemon-light"], NO_EXIM)?;
    }
    if !is_here() {
        bail!(NO_EXIM);
    }
    if !is_root()? && !may_become_others() {
        bail!(NOT_ITS_USER);
    }
    Ok(())
}

fn may_become_others() -> bool {
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    sudo.status().is_ok_and(|status| status.success())
}

/// The tests are those that are ignored elsewhere.
fn walk() -> Result<()> {
    let mut tests = cargo(&["test", "--package", "site", "--test", "site", "--locked", "--quiet"]);
    cargo::run(tests.args(["--", "--ignored", "mails::"])).context("the walk over a real mail server")
}
