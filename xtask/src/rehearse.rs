use std::process::Command;

use anyhow::{Result, bail};

use crate::{apt, cargo, environment, say};

/// With what deploy/rehearsal/run ends where containers cannot run (`EX_UNAVAILABLE` of `sysexits.h`).
const CANNOT_RUN: i32 = 69;
/// Where this is set, or on GitHub, all tests fail where the rehearsal cannot be run.
const REQUIRED_VARIABLE: &str = "VESTIBULE_REQUIRE_REHEARSAL";
const PROGRAMS: [&str; 9] =
    ["podman", "buildah", "debootstrap", "ssh", "python3", "curl", "openssl", "age", "strip"];
const PACKAGES: [&str; 13] = [
    "podman",
    "buildah",
    "debootstrap",
    "openssh-client",
    "python3",
    "python3-venv",
    "curl",
    "openssl",
    "age",
    "binutils",
    "runc",
    "netavark",
    "aardvark-dns",
];
const NO_CONTAINERS: &str = "The rehearsal of deploy/ needs containers. Install them, and run this as root:\n  \
    Debian, Ubuntu:  sudo apt-get install podman buildah debootstrap openssh-client python3 python3-venv curl openssl age binutils \
    runc netavark aardvark-dns";

/// Does to a server in a container everything that deploy/ does to one.
pub fn run() -> Result<()> {
    match try_it()? {
        Rehearsal::WentWell => Ok(()),
        Rehearsal::CannotBeRun => bail!("the rehearsal cannot be run on this machine; it said why"),
    }
}

/// The same for those who run all tests. Where containers cannot run, they are told so, and the other tests go on.
pub fn run_where_it_can_be() -> Result<()> {
    if environment::variable("GITHUB_ACTIONS").is_some() || environment::variable(REQUIRED_VARIABLE).is_some()
    {
        return run();
    }
    if matches!(try_it()?, Rehearsal::CannotBeRun) {
        say::warning(&format!(
            "deploy/ was NOT rehearsed in this run: containers cannot run here, as told above. \
             {REQUIRED_VARIABLE}=1 makes that a failure"
        ));
    }
    Ok(())
}

enum Rehearsal {
    WentWell,
    CannotBeRun,
}

fn try_it() -> Result<Rehearsal> {
    if !PROGRAMS.into_iter().all(is_there)
        && let Err(error) = apt::install("what runs containers", &PACKAGES, NO_CONTAINERS)
    {
        say::note(&format!("{error:#}"));
        return Ok(Rehearsal::CannotBeRun);
    }
    let mut rehearsal = Command::new("bash");
    let script = cargo::root().join("deploy/rehearsal/run");
    let status = cargo::without_xtask(rehearsal.arg(script)).status()?;
    match status.code() {
        Some(0) => Ok(Rehearsal::WentWell),
        Some(CANNOT_RUN) => Ok(Rehearsal::CannotBeRun),
        _ => bail!(
            "the rehearsal of deploy/ failed ({status}); VESTIBULE_REHEARSAL_KEEP=1 keeps its server to look at"
        ),
    }
}

/// Whether a program can be started.
pub fn is_there(program: &str) -> bool {
    let mut which = Command::new("sh");
    which.args(["-c", "command -v \"$0\" > /dev/null", program]);
    which.status().is_ok_and(|status| status.success())
}
