use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::cargo::{self, cargo};
use crate::{browser, python, say};

/// The tests, and what they are written with.
const TESTS: &str = "tests/generated-client";
/// Where the client is generated, so that its package is found.
const GENERATED: &str = "target/generated-client";

/// Generates a client from docs/openapi.json and runs the real program with it. `arguments` go to Python's test runner.
pub fn test(arguments: &[String]) -> Result<()> {
    let python = prepare_python()?;
    cargo::run(&mut cargo(&["build", "--package", "site", "--locked"]))?;
    generate(&python)?;

    let tests = cargo::root().join(TESTS);
    let generated = cargo::root().join(GENERATED);
    say::note("mypy: whether the tests agree with the types of the generated client");
    let mut types = Command::new(python.join("bin/mypy"));
    types.args(["--strict", "--no-error-summary", "--cache-dir"]).arg(generated.join("mypy")).arg(".");
    cargo::run(types.env("MYPYPATH", &generated).current_dir(&tests))?;

    let mut run = Command::new(python.join("bin/python"));
    run.args(["-B", "-m", "unittest", "--verbose"]).args(arguments);
    run.env("PYTHONPATH", &generated).env("VESTIBULE_TEST_SITE", browser::site()?);
    cargo::run(run.current_dir(&tests))
}

/// A document that the generator understands in part only is a failure.
fn generate(python: &Path) -> Result<()> {
    say::note("generating a client from docs/openapi.json");
    let root = cargo::root();
    let mut generator = Command::new(python.join("bin/openapi-python-client"));
    generator.args(["generate", "--meta", "none", "--overwrite", "--fail-on-warning", "--path"]);
    generator.arg(root.join("docs/openapi.json"));
    generator.arg("--config").arg(root.join(TESTS).join("generator.yaml"));
    generator.arg("--output-path").arg(root.join(GENERATED).join("vestibule_api"));
    cargo::run(generator.stdin(Stdio::null()))
}

/// The Python with the generator and what its clients are written with, in a folder of its own below `target`.
fn prepare_python() -> Result<PathBuf> {
    let folder = cargo::root().join(GENERATED).join("python");
    if !folder.join("bin/python").is_file() {
        python::make(&folder)?;
    }
    say::note("fetching the generator (pip)");
    let requirements = cargo::root().join(TESTS).join("requirements.txt").display().to_string();
    python::install(&folder, &["--require-hashes", "--requirement", &requirements])?;
    Ok(folder)
}
