use std::process::ExitCode;

use crate::app::{App, command};

/// Prints the script that completes commands in a shell.
pub(crate) fn run(app: &App, shell: clap_complete::Shell) -> ExitCode {
    clap_complete::generate(shell, &mut command(app), app.name, &mut std::io::stdout());
    ExitCode::SUCCESS
}
