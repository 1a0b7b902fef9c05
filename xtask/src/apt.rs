use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::postgres_programs::is_root;
use crate::{cargo, say};

/// Installs packages of Debian or Ubuntu, if this process may do that; else says what is missing.
pub fn install(what: &str, packages: &[&str], missing: &str) -> Result<()> {
    let has_apt = Command::new("apt-get").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !has_apt || !is_root()? {
        bail!("{missing}");
    }
    say::note(&format!("{what} is missing: installing {} with apt-get", packages.join(", ")));
    // Nothing of this machine gives way: a mail server would take the place of another.
    let install = [&["-q", "install", "-y", "--no-install-recommends", "--no-remove"][..], packages].concat();
    for arguments in [vec!["-q", "update"], install] {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        cargo::run(&mut apt)?;
    }
    Ok(())
}
