use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::cargo::{self, cargo};
use crate::{apt, say};

const MISSING: &str = "Pebble or certbot is not on this machine, and the tests of certificates are written for them. Install them:\n  \
    Debian, Ubuntu:  sudo apt-get install pebble certbot\n\
    Both are started for the tests alone, on ports of 127.0.0.1";

/// Runs the tests with a real certificate authority alone.
pub fn test() -> Result<()> {
    prepare()?;
    let tests = [
        "test",
        "--package",
        "vestibule-server",
        "--test",
        "server",
        "--locked",
        "--quiet",
        "--",
        "acme::",
        "tls::",
    ];
    cargo::run(&mut cargo(&tests)).context("certificates of a real authority")
}

/// The same for those who run all tests: where there is no authority and none can be had, its tests fail, and this is why.
pub fn prepare_or_say_why() {
    if let Err(error) = prepare() {
        say::warning(&format!("the tests with a certificate authority are going to fail: {error:#}"));
    }
}

fn prepare() -> Result<()> {
    let is_here = [("pebble", "-h"), ("pebble-challtestsrv", "-h"), ("certbot", "--version")].map(
        |(program, question)| {
            let mut command = Command::new(program);
            command.arg(question).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok()
        },
    );
    if is_here == [true; 3] {
        return Ok(());
    }
    apt::install("Pebble or certbot", &["pebble", "certbot"], MISSING)
}
