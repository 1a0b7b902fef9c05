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

/// The tests of the website.
const WEBSITE: &str = "tests/browser";
/// The client for JavaScript. It depends on nothing, and its tests use the browser of those of the website.
const CLIENT: &str = "clients/js";
/// The example with Next.js, which is built and served for its tests.
const EXAMPLE: &str = "examples/nextjs";

/// Runs the browser tests: the real program, a real Chromium. `arguments` go to Node's test runner.
pub fn test(arguments: &[String]) -> Result<()> {
    Browser::prepare()?.test(WEBSITE, arguments)
}

/// Runs the tests of the client for JavaScript and of the example with Next.js: the real program, a real Chromium.
pub fn test_clients(arguments: &[String]) -> Result<()> {
    let browser = Browser::prepare()?;
    browser.test(CLIENT, arguments)?;
    fetch_packages(EXAMPLE)?;
    browser.test(EXAMPLE, arguments)
}

/// Takes a picture of every page.
pub fn screenshots(folder: &Path) -> Result<()> {
    let folder = std::path::absolute(folder).context("the folder has no absolute path")?;
    Browser::prepare()?.run(WEBSITE, Command::new("node").arg("screenshots.js").arg(folder))
}

/// All that tests in a browser need is there.
struct Browser {
    chromium: PathBuf,
    site: PathBuf,
}

impl Browser {
    fn prepare() -> Result<Self> {
        let chromium = find_or_install_chromium()?;
        require_node()?;
        require_sqlite()?;
        fetch_packages(WEBSITE)?;
        cargo::run(&mut cargo(&["build", "--package", "site", "--locked"]))?;
        Ok(Self { chromium, site: site()? })
    }

    /// Runs the tests of a folder. `arguments` go to Node's test runner.
    fn test(&self, folder: &str, arguments: &[String]) -> Result<()> {
        let mut node = Command::new("node");
        // What hangs ends, and is named: in milliseconds, for a file.
        node.args(["--test", "--test-concurrency=1", "--test-timeout=900000", "--test-reporter=spec"]);
        self.run(folder, node.args(arguments))
    }

    /// Runs a command in a folder of the repository.
    fn run(&self, folder: &str, command: &mut Command) -> Result<()> {
        let command = command.current_dir(cargo::root().join(folder));
        cargo::run(command.env(CHROMIUM_VARIABLE, &self.chromium).env("VESTIBULE_TEST_SITE", &self.site))
    }
}

fn fetch_packages(folder: &str) -> Result<()> {
    say::note(&format!("fetching what {folder} is written with (npm ci)"));
    let mut npm = Command::new("npm");
    npm.args(["ci", "--silent"]).current_dir(cargo::root().join(folder)).stdin(Stdio::null());
    cargo::run(&mut npm)
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
