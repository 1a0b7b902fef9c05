use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo};
use crate::{apt, browser, python, say};

const NO_GO: &str = "Go is not on this machine, and one of the verifiers in examples/verify is written in it. Install it:\n  \
    Debian, Ubuntu:  sudo apt-get install golang-go\n  \
    Fedora:          sudo dnf install golang";
const NO_PHP: &str = "PHP with sodium is not on this machine, and one of the verifiers in examples/verify is written in it. \
    Install it:\n  \
    Debian, Ubuntu:  sudo apt-get install php-cli\n  \
    Fedora:          sudo dnf install php-cli php-sodium";
const HAS_SODIUM: &str = "exit(extension_loaded('sodium') ? 0 : 1);";

/// Shows what the real program signs to the verifiers of other languages. `arguments` go to Node's test runner.
pub fn test(arguments: &[String]) -> Result<()> {
    browser::require_node()?;
    browser::require_sqlite()?;
    require("Go", || runs("go", &["version"]), "golang-go", NO_GO)?;
    require("PHP", || runs("php", &["-r", HAS_SODIUM]), "php-cli", NO_PHP)?;
    let python = prepare_python()?;
    say::note("fetching what the verifier for Node is written with (npm ci)");
    let node = root().join("examples/verify/node");
    cargo::run(Command::new("npm").args(["ci", "--silent"]).current_dir(node).stdin(Stdio::null()))?;
    cargo::run(&mut cargo(&["build", "--package", "site", "--locked"]))?;

    let mut tests = Command::new("node");
    tests.args(["--test", "--test-reporter=spec"]).args(arguments);
    tests.current_dir(root().join("tests/verify-anywhere"));
    tests.env("VESTIBULE_TEST_SITE", browser::site()?).env("VESTIBULE_VERIFY_PYTHON", python);
    cargo::run(&mut tests)
}

fn require(what: &str, is_there: impl Fn() -> bool, package: &str, missing: &str) -> Result<()> {
    if !is_there() {
        apt::install(what, &[package], missing)?;
    }
    if !is_there() {
        bail!("{missing}");
    }
    Ok(())
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let ran = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

/// The Python with what its verifier is written with, in a folder of its own below `target`.
fn prepare_python() -> Result<PathBuf> {
    let folder = root().join("target/verify-anywhere/python");
    let program = folder.join("bin/python");
    if !program.is_file() {
        python::make(&folder)?;
    }
    let requirements = root().join("examples/verify/python/requirements.txt");
    let requirements = requirements.to_str().context("the repository's folder is named in UTF-8")?;
    say::note("fetching what the verifier for Python is written with (pip)");
    python::install(&folder, &["--requirement", requirements])?;
    Ok(program)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}
