use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo};
use crate::package::{Publishable, metadata, publishable};
use crate::say;

/// The release of it that reads what the compiler of rust-toolchain.toml says of a crate.
const RELEASE: &str = "0.51.0";

/// Compares what each crate offers with what it offered in the last release: what is gone or asks for more needs a number that says so.
pub fn run() -> Result<()> {
    let Some(tag) = last_release()? else {
        say::note("there is no release yet (no tag v* before this commit), so there is nothing to keep to");
        return Ok(());
    };
    let program = install()?;
    let mut check = Command::new(program);
    cargo::without_xtask(check.current_dir(cargo::root()));
    check.args(["semver-checks", "--baseline-rev", &tag]);
    for one in publishable(&metadata()?) {
        // A crate that is new has nothing to keep to.
        if is_in(&tag, &one)? {
            check.args(["--package", &one.name]);
        } else {
            say::note(&format!("{} is new since {tag}", one.name));
        }
    }
    say::note(&format!("comparing with {tag}"));
    cargo::run(&mut check)
}

/// The tag of the newest release before this commit, which may be a release itself.
fn last_release() -> Result<Option<String>> {
    let tags =
        git(&["tag", "--list", "v[0-9]*", "--merged", "HEAD", "--no-contains", "HEAD", "--sort=-v:refname"])?;
    Ok(tags.lines().next().map(str::to_owned))
}

/// Whether a release had a crate.
fn is_in(tag: &str, one: &Publishable) -> Result<bool> {
    let manifest = one.folder.strip_prefix(cargo::root())?.join("Cargo.toml");
    let manifest = manifest.to_str().context("the crates' folders are named in UTF-8")?;
    Ok(!git(&["ls-tree", "--name-only", tag, "--", manifest])?.is_empty())
}

fn git(arguments: &[&str]) -> Result<String> {
    let ran =
        Command::new("git").args(arguments).current_dir(cargo::root()).output().context("git is not here")?;
    if !ran.status.success() {
        bail!("`git {}`: {}", arguments.join(" "), String::from_utf8_lossy(&ran.stderr).trim());
    }
    Ok(String::from_utf8(ran.stdout)?)
}

/// Puts it into a folder of its own below `target`, where it is not there yet.
fn install() -> Result<PathBuf> {
    let folder = cargo::root().join(format!("target/cargo-semver-checks-{RELEASE}"));
    let program = folder.join("bin/cargo-semver-checks");
    if !program.is_file() {
        say::note(&format!("building cargo-semver-checks {RELEASE}, which takes some minutes"));
        let mut install = cargo(&[
            "install",
            "--locked",
            "--quiet",
            "--debug",
            "cargo-semver-checks",
            "--version",
            RELEASE,
        ]);
        // Apart from what is built here: it is built once, and shares nothing.
        let build = cargo::root().join("target/cargo-semver-checks-build");
        cargo::run(install.arg("--root").arg(&folder).env("CARGO_TARGET_DIR", build))?;
    }
    Ok(program)
}
