use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo};
use crate::say;

/// What the compiler is told so that a program counts which of its branches an input took: the flags of `cargo fuzz`
/// without a sanitizer, which would need a nightly compiler. There is no unsafe code here for one to watch.
const INSTRUMENTS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";
/// The longest input that is tried, in bytes: longer than any cookie, token or address that is read.
const LONGEST: u32 = 8192;

/// Fuzzes every target, or those that are named, for `seconds` each.
pub fn run(seconds: u32, names: &[String]) -> Result<()> {
    let folder = folder();
    let targets = targets(&folder)?;
    if let Some(unknown) = names.iter().find(|name| !targets.contains(name)) {
        bail!("there is no fuzz target `{unknown}`; there are {}", targets.join(", "));
    }
    let host = host()?;
    let built = folder.join("../target/fuzz");
    let mut command = cargo(&["build", "--release", "--locked", "--bins", "--target", &host]);
    // A target is named, so that build scripts and macros, which run here, are built without instruments.
    command.arg("--manifest-path").arg(folder.join("Cargo.toml")).arg("--target-dir").arg(&built);
    cargo::run(command.env("RUSTFLAGS", INSTRUMENTS)).context(
        "the fuzz targets cannot be built; where their lock file is out of date, \
         `cargo update --workspace --manifest-path fuzz/Cargo.toml` brings it up to date",
    )?;

    let programs = built.join(&host).join("release");
    let corpus = folder.join("corpus");
    let asked: Vec<&String> =
        targets.iter().filter(|target| names.is_empty() || names.contains(target)).collect();
    // One for each core.
    for some in asked.chunks(std::thread::available_parallelism().map_or(1, NonZeroUsize::get)) {
        let together = some.iter().map(|target| target.as_str()).collect::<Vec<_>>().join(", ");
        say::note(&format!("fuzzing {together} for {seconds} s"));
        std::thread::scope(|threads| {
            let fuzz_one =
                |target: &str| fuzz(&programs.join(target), target, &corpus.join(target), &built, seconds);
            let running: Vec<_> = some.iter().map(|target| threads.spawn(move || fuzz_one(target))).collect();
            let done = running.into_iter().map(|one| one.join().expect("fuzzing does not panic"));
            // Each is told, also where two broke.
            let mut broken: Vec<_> = done.filter_map(Result::err).collect();
            let first = broken.pop();
            for error in broken {
                say::note(&format!("{error:#}"));
            }
            first.map_or(Ok(()), Err)
        })?;
    }
    Ok(())
}

fn fuzz(program: &Path, target: &str, seeds: &Path, built: &Path, seconds: u32) -> Result<()> {
    // What is found goes beside what was built; the seeds in the repository stay as they are.
    let found = built.join("corpus").join(target);
    let artifacts = built.join("artifacts").join(target);
    for folder in [&found, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let mut command = Command::new(program);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-timeout=10", "-print_final_stats=1"])
        .arg(found)
        .arg(seeds);
    // It tells much, and little that matters unless it fails.
    let log = built.join(target).with_extension("log");
    let file = fs::File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
    let ran = cargo::run(command.stderr(file));
    let told = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if ran.is_err() {
        let last: Vec<&str> = told.lines().rev().take(40).collect();
        last.into_iter().rev().for_each(say::note);
    }
    ran.with_context(|| {
        format!(
            "the input that broke {target} is in {}; make a test of it, then mend what it broke",
            artifacts.display()
        )
    })?;
    let Some(tried) = told.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
    else {
        bail!("{target} did not say how much it tried: see {}", log.display());
    };
    say::note(&format!("{target}: {} inputs tried, none of which broke it", tried.trim()));
    Ok(())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository").join("fuzz")
}

/// The targets, by the files that they are written in. Each must have seeds: without any a run tells little.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(folder.join("fuzz_targets")).context("the fuzz targets cannot be listed")? {
        let name = entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned());
        targets.extend(name);
    }
    targets.sort();
    for target in &targets {
        if !folder.join("corpus").join(target).is_dir() {
            bail!("fuzz/corpus/{target} is missing: put a few inputs there that the target knows");
        }
    }
    Ok(targets)
}

/// The machine that the compiler builds for unless it is told otherwise.
fn host() -> Result<String> {
    let told = Command::new("rustc").args(["-vV"]).output().context("`rustc` cannot be run")?;
    let told = String::from_utf8(told.stdout).context("rustc speaks UTF-8")?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names its host")?;
    Ok(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_and_is_a_program() {
        let targets = targets(&folder()).unwrap();
        let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
        assert!(targets.len() >= 5, "{targets:?}");
        for target in targets {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in fuzz/Cargo.toml");
        }
    }
}
