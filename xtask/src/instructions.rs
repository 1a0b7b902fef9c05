use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo};
use crate::{apt, say};

/// What was counted when somebody last looked at it, on this kind of processor.
const KEPT: &str = "bench/instructions.txt";
const MISSING: &str = "`valgrind` is missing, which counts instructions. Install it:\n  \
    Debian, Ubuntu:  sudo apt-get install valgrind\n  \
    Fedora:          sudo dnf install valgrind";
/// What is counted: the program as it is released, or, where there is no time to build that, as the tests are.
#[derive(Clone, Copy)]
pub enum Built {
    AsReleased,
    AsTested,
}

impl Built {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::AsReleased => &["build", "--release", "--locked", "--quiet", "--package", "bench"],
            Self::AsTested => &["build", "--locked", "--quiet", "--package", "bench"],
        }
    }

    fn program(self) -> PathBuf {
        let folder = match self {
            Self::AsReleased => "target/release/bench",
            Self::AsTested => "target/debug/bench",
        };
        cargo::root().join(folder)
    }

    /// So many checks in one run, and in another. The difference is free of what the start takes.
    fn checks(self) -> (u64, u64) {
        match self {
            Self::AsReleased => (200, 1200),
            Self::AsTested => (50, 150),
        }
    }

    /// How a kind of check is called in the file.
    fn name(self, kind: &str) -> String {
        match self {
            Self::AsReleased => kind.to_owned(),
            Self::AsTested => format!("{kind}, not optimised"),
        }
    }
}

/// Whose session is read for each check, and whose is remembered; and how many the program is to remember.
const KINDS: [(&str, &str); 2] = [("read", "0"), ("remembered", "1000")];
/// How much more a check may take before somebody has to say that it is worth it. Threads that wait for each other take a
/// few instructions more or less.
const MOST_MORE: f64 = 0.03;

/// Counts the instructions of a session check, and compares them with what is kept. `is_kept` keeps the new numbers instead.
///
/// Unlike time, the number is the same on a busy machine and on a quiet one; so a change that makes the most frequent request
/// dearer is seen in the change itself. It depends on the compiler and on the kind of processor.
pub fn run(built: Built, is_kept: bool) -> Result<()> {
    if !cfg!(target_arch = "x86_64") {
        say::warning(
            "the instructions of a session check were NOT counted: what they are compared with is of x86-64",
        );
        return Ok(());
    }
    let has = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !has {
        apt::install("valgrind", &["valgrind"], MISSING)?;
    }
    cargo::run(&mut cargo(built.arguments()))?;
    let file = cargo::root().join(KEPT);
    for (kind, remembered) in KINDS {
        let (name, counted) = (built.name(kind), of_one_check(built, remembered)?);
        if is_kept {
            keep(&file, &name, counted)?;
        } else {
            compare(&name, counted, read(&file, &name)?)?;
        }
    }
    Ok(())
}

fn compare(name: &str, counted: u64, kept: u64) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "a check takes no 2^52 instructions")]
    let more = counted as f64 / kept as f64 - 1.0;
    let more_in_hundred = more * 100.0;
    let told = format!(
        "a session check, {name}: {counted} instructions, {more_in_hundred:+.1} % of the {kept} kept"
    );
    if more > MOST_MORE {
        bail!(
            "{told}: more than {:.0} %. Where it is worth it, `cargo xtask instructions --keep` keeps the new number \
             in {KEPT} (with `--as-tested` that of CI), and the commit says what it is worth",
            MOST_MORE * 100.0
        );
    }
    say::note(&told);
    if more < -MOST_MORE {
        say::note("that is better by so much that it should be kept: the same again with `--keep`");
    }
    Ok(())
}

fn of_one_check(built: Built, remembered: &str) -> Result<u64> {
    let (few, many) = built.checks();
    let program = built.program();
    Ok((count(&program, many, remembered)? - count(&program, few, remembered)?) / (many - few))
}

/// The instructions of a whole run of the program with so many checks.
fn count(program: &Path, checks: u64, remembered: &str) -> Result<u64> {
    let out: PathBuf = cargo::root().join(format!("target/instructions-{checks}.out"));
    let ran = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["check-sessions", &checks.to_string(), "--remembered", remembered])
        .stdin(Stdio::null())
        .output()
        .context("valgrind cannot be run")?;
    if !ran.status.success() {
        bail!("the program failed under valgrind:\n{}", String::from_utf8_lossy(&ran.stderr));
    }
    let told = fs::read_to_string(&out).with_context(|| format!("{} cannot be read", out.display()))?;
    total(&told).with_context(|| format!("{} has no total", out.display()))
}

/// The total of what callgrind wrote.
fn total(told: &str) -> Option<u64> {
    let of =
        |key| told.lines().find_map(|line| line.strip_prefix(key)).and_then(|rest| rest.trim().parse().ok());
    of("totals:").or_else(|| of("summary:"))
}

/// The number of a kind stands before its name.
fn read(file: &Path, name: &str) -> Result<u64> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let number = text.lines().find_map(|line| line.strip_suffix(name)).unwrap_or_default();
    number.trim().parse().with_context(|| format!("{} holds no number for `{name}`", file.display()))
}

/// Takes the place of the number of the same name.
fn keep(file: &Path, name: &str, counted: u64) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let kept = format!("{counted} {name}");
    let of_name = |line: &str| line.split_once(' ').is_some_and(|(number, of)| of == name && number != "#");
    let mut lines: Vec<&str> = text.lines().filter(|line| !of_name(line)).collect();
    lines.push(&kept);
    fs::write(file, lines.join("\n") + "\n")
        .with_context(|| format!("{} cannot be written", file.display()))?;
    say::note(&format!("a session check, {name}: {counted} instructions, which is kept in {KEPT}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_what_callgrind_writes() {
        assert_eq!(total("version: 1\nevents: Ir\nsummary: 7\n\ntotals: 12\n"), Some(12));
        assert_eq!(total("summary: 7\n"), Some(7));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn a_number_is_kept_of_each_kind() {
        for (kind, _) in KINDS {
            for built in [Built::AsReleased, Built::AsTested] {
                assert!(read(&cargo::root().join(KEPT), &built.name(kind)).unwrap() > 0);
            }
        }
    }
}
