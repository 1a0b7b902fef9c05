use std::process::Command;

use anyhow::Result;

use crate::rehearse::is_there;
use crate::{apt, cargo};

// podman-compose asks for podman, though it only reads.
const PROGRAMS: [&str; 6] = ["shellcheck", "systemd-analyze", "python3", "npm", "openssl", "podman"];
const PACKAGES: [&str; 8] =
    ["shellcheck", "systemd", "python3", "python3-venv", "nodejs", "npm", "openssl", "podman"];
const MISSING: &str = "what checks deploy/ is missing. Install it:\n  \
    Debian, Ubuntu:  sudo apt-get install shellcheck systemd python3 python3-venv nodejs npm openssl podman";

/// Holds scripts, units, compose files and workflows to their own tools.
pub fn run() -> Result<()> {
    // Each alone: where a machine has another Node.js than Debian's, npm has come with it.
    let missing: Vec<&str> = PROGRAMS
        .into_iter()
        .filter(|program| !is_there(program))
        .flat_map(|program| PACKAGES.into_iter().filter(move |package| is_of(package, program)))
        .collect();
    if !missing.is_empty() {
        apt::install("what checks deploy/", &missing, MISSING)?;
    }
    cargo::run(Command::new("bash").arg(cargo::root().join("deploy/check")))
}

/// Whether a package is installed for this program.
fn is_of(package: &str, program: &str) -> bool {
    match program {
        "systemd-analyze" => package == "systemd",
        "npm" => ["nodejs", "npm"].contains(&package),
        _ => package.starts_with(program),
    }
}
