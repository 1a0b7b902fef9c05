use std::fmt::{self, Display};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result};

use crate::environment;

/// Cargo with these arguments, in the root of the repository wherever the task was called from.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    without_xtask(command.current_dir(root()).args(arguments));
    command
}

/// Hands on nothing that cargo told xtask about itself. Build scripts such as ring's watch these variables: handed on, they would
/// have half of the dependencies built anew after each change between `cargo xtask` and plain `cargo`.
pub fn without_xtask(command: &mut Command) -> &mut Command {
    for variable in environment::names() {
        if variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_") {
            command.env_remove(variable);
        }
    }
    command
}

/// The folder of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// Runs a command on the terminal.
pub fn run(command: &mut Command) -> Result<()> {
    let name = name(command);
    let status = command.status().with_context(|| format!("`{name}` cannot be run"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failed { name, status }.into())
}

/// Whether cargo knows a subcommand that is installed apart from it, such as `nextest`.
pub fn has(subcommand: &str) -> bool {
    cargo(&[subcommand, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The exit code of the command whose failure this error is, for those who tell them apart.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let Some(Failed { status, .. }) = error.downcast_ref() else {
        return ExitCode::FAILURE;
    };
    // As shells do: 128 and the number of the signal.
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// A command that ended with an error, after it said itself what is wrong.
#[derive(Debug)]
struct Failed {
    name: String,
    status: ExitStatus,
}

impl Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "`{}` ({})", self.name, self.status)
    }
}

impl std::error::Error for Failed {}

fn name(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy()));
    words.join(" ")
}
