use std::process::ExitCode;

use crate::app::App;

/// Prints what programs are told of the API.
#[expect(clippy::print_stdout, reason = "the description is what was asked for")]
pub(crate) fn run(app: &App) -> ExitCode {
    println!("{}", vestibule_web::api::openapi::described(app.openapi.map(|describe| describe())));
    ExitCode::SUCCESS
}
