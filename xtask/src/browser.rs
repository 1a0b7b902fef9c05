use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo};
use crate::{apt, environment, say};

const CHROMIUM_VARIABLE: &str = "VESTIBULE_BROWSER_CHROMIUM";
const NO_CHROMIUM: &str = "Chromium is not on this machine. Install it:\n  \
    Debian, Ubuntu:  sudo apt-get install chromium\n  \
    Fedora:          sudo dnf install chromium\n\
    or set VESTIBULE_BROWSER_CHROMIUM to the path of a Chromium or Chrome";
const NO_NODE: &str = "Node.js 20 or newer with npm is not on this machine, and tests of the whole program are written for it. \
    Install it from https://nodejs.org or with your system's packages";
const NO_SQLITE: &str = "sqlite3 is not on this machine, and some tests move time in the site's database with it. \
    Install it from https://sqlite.org or with your system's packages";
/// The oldest Node.js that the tests run on.
const OLDEST_NODE: u32 = 20;

/// Runs the browser tests: the real program, a real Chromium. `arguments` go to Node's test runner.
pub fn test(arguments: &[String]) -> Result<()> {
    let mut node = Command::new("node");
    node.args(["--test", "--test-concurrency=1", "--test-reporter=spec"]);
    node.args(arguments);
    run(&mut node)
}

/// Takes a picture of every page.
pub fn screenshots(folder: &Path) -> Result<()> {
    let folder = std::path::absolute(folder).context("the folder has no absolute path")?;
    run(Command::new("node").arg("screenshots.js").arg(folder))
}

/// Runs a command of the tests' folder when all that it needs is there.
fn run(command: &mut Command) -> Result<()> {
    let chromium = find_or_install_chromium()?;
    require_node()?;
    require_sqlite()?;
    let folder = folder();
    say::note("fetching what the browser tests are written with (npm ci)");
    cargo::run(Command::new("npm").args(["ci", "--silent"]).current_dir(&folder).stdin(Stdio::null()))?;
    cargo::run(&mut cargo(&["build", "--package", "site", "--locked"]))?;
    command.current_dir(&folder).env(CHROMIUM_VARIABLE, chromium).env("VESTIBULE_BROWSER_SITE", site()?);
    cargo::run(command)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the repository")
        .join("tests/browser")
}

/// Where cargo puts the program.
pub fn site() -> Result<PathBuf> {
    let told = cargo(&["metadata", "--no-deps", "--format-version=1", "--locked"]).output()?;
    let told = String::from_utf8(told.stdout).context("cargo tells its folders in UTF-8")?;
    let (_, rest) = told.split_once("\"target_directory\":\"").context("cargo names its target folder")?;
    let folder = rest.split('"').next().context("a folder's name ends")?;
    Ok(Path::new(folder).join("debug/site"))
}

fn find_or_install_chromium() -> Result<PathBuf> {
    if let Some(path) = environment::variable(CHROMIUM_VARIABLE) {
        return Ok(PathBuf::from(path));
    }
    if let Some(chromium) = find_chromium() {
        return Ok(chromium);
    }
    apt::install("Chromium", &["chromium"], NO_CHROMIUM)?;
    find_chromium().context(NO_CHROMIUM)
}

fn find_chromium() -> Option<PathBuf> {
    const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let path = environment::variable("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// Installs Node.js with npm where it is missing.
pub fn require_node() -> Result<()> {
    if !has_node() {
        apt::install("Node.js", &["nodejs", "npm"], NO_NODE)?;
    }
    if !has_node() {
        bail!(NO_NODE);
    }
    Ok(())
}

/// Installs sqlite3 where it is missing, with which tests move time in the site's database.
pub fn require_sqlite() -> Result<()> {
    let has_sqlite = || Command::new("sqlite3").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !has_sqlite() {
        apt::install("sqlite3", &["sqlite3"], NO_SQLITE)?;
    }
    if !has_sqlite() {
        bail!(NO_SQLITE);
    }
    Ok(())
}

fn has_node() -> bool {
    let version = |program: &str| {
        let told = Command::new(program).arg("--version").output().ok()?;
        String::from_utf8(told.stdout).ok()
    };
    let major = version("node").and_then(|told| major(&told));
    major.is_some_and(|major| major >= OLDEST_NODE) && version("npm").is_some()
}

/// `v20.20.2` is 20.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_node_has_a_major_number() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("20"), None);
        assert_eq!(major(""), None);
    }
}
