use std::process::ExitCode;

use super::output::print_bytes;
use crate::app::{App, command};
use crate::failure::Failure;

/// Prints the script that completes commands in a shell.
pub(crate) fn run(app: &App, shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(app), app.name, &mut script);
    print_bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
