use std::process::{Command, Stdio};

use anyhow::Result;

use crate::cargo::{self, cargo};
use crate::postgres::Cluster;
use crate::{apt, say};

const MISSING: &str = "`wrk` is missing, which sends the requests. Install it:\n  \
    Debian, Ubuntu:  sudo apt-get install wrk\n  \
    Fedora, macOS:   it is in Fedora's and in Homebrew's packages as `wrk`";

/// Measures everything, or the lines that are named, and fails where a promise does not hold.
pub fn run(is_quick: bool, only: &[String]) -> Result<()> {
    let has_wrk = Command::new("wrk").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !has_wrk {
        apt::install("wrk", &["wrk"], MISSING)?;
    }
    say::heading("build");
    // One after the other: built together, the site would get what only the measuring asks of their common dependencies.
    for package in ["site", "bench"] {
        cargo::run(&mut cargo(&["build", "--release", "--locked", "--quiet", "--package", package]))?;
    }
    say::heading("measure");
    let postgres = Cluster::start_as_installed()?;
    let built = cargo::root().join("target");
    let mut bench = Command::new(built.join("release/bench"));
    bench
        .current_dir(cargo::root())
        .arg("measure")
        .arg("--program")
        .arg(built.join("release/site"))
        .arg("--json")
        .arg(built.join("bench.json"))
        .args(["--postgres", &postgres.url()])
        .args(is_quick.then_some("--quick"))
        .args(only.iter().flat_map(|name| ["--only", name]));
    cargo::run(&mut bench)
}
