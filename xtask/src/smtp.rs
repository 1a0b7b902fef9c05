use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo};
use crate::postgres_programs::is_root;
use crate::{apt, say};

const NO_EXIM: &str = "Exim is not on this machine, and the walk over a real mail server is written for it. Install it:\n  \
    Debian, Ubuntu:  sudo apt-get install exim4-daemon-light\n  \
    Fedora:          sudo dnf install exim\n\
    It is started for the tests alone, on ports of 127.0.0.1";
const NOT_ITS_USER: &str = "Exim opens a port only as the user that it was made for: run this as root, or where `sudo -n` \
    may become that user";
/// Where packages put it.
const PROGRAMS: [&str; 3] = ["/usr/sbin/exim4", "/usr/sbin/exim", "/usr/local/sbin/exim"];

/// Runs the tests with a real mail server alone.
pub fn test() -> Result<()> {
    prepare()?;
    let tests = ["test", "--package", "site", "--test", "site", "--locked", "--quiet", "--", "mails::"];
    cargo::run(&mut cargo(&tests)).context("the walk over a real mail server")
}

/// The same for those who run all tests: where there is no mail server and none can be had, its tests fail, and this is why.
pub fn prepare_or_say_why() {
    if let Err(error) = prepare() {
        say::warning(&format!("the tests over a real mail server are going to fail: {error:#}"));
    }
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
