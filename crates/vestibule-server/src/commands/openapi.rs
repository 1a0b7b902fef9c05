use std::process::ExitCode;

use super::output::print_line;
use crate::app::App;
use crate::failure::Failure;

/// Prints what programs are told of the API.
pub(crate) fn run(app: &App) -> Result<ExitCode, Failure> {
    print_line(&vestibule_web::api::openapi::described(app.openapi.map(|describe| describe())))?;
    Ok(ExitCode::SUCCESS)
}
