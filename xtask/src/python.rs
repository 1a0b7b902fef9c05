use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{apt, cargo};

const NO_PYTHON: &str = "Python 3.11 or newer with `venv` is not on this machine, and some checks are written in it. Install it:\n  \
    Debian, Ubuntu:  sudo apt-get install python3 python3-venv\n  \
    Fedora:          sudo dnf install python3";

/// Makes a Python of its own in a folder, in the place of what is there.
pub fn make(folder: &Path) -> Result<()> {
    let make = || {
        let mut python = Command::new("python3");
        python.args(["-m", "venv", "--clear"]).arg(folder).stdin(Stdio::null()).stdout(Stdio::null());
        python.status().is_ok_and(|status| status.success())
    };
    if !make() {
        apt::install("Python's venv", &["python3", "python3-venv"], NO_PYTHON)?;
        if !make() {
            bail!(NO_PYTHON);
        }
    }
    Ok(())
}

/// Installs packages into the Python of a folder. What is there already is not fetched.
pub fn install(folder: &Path, packages: &[&str]) -> Result<()> {
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["--quiet", "--disable-pip-version-check", "install"]).args(packages);
    cargo::run(pip.stdin(Stdio::null())).with_context(|| format!("{} cannot be fetched", packages.join(" ")))
}
