use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::output::{print_json, print_line};
use crate::command_line::ConfigAction;
use crate::failure::Failure;
use crate::settings::Settings;

/// Shows the settings, which were checked when they were read.
pub(crate) fn run(action: &ConfigAction, settings: &Settings, json: bool) -> Result<ExitCode, Failure> {
    if !json {
        for warning in &settings.warnings {
            print_line(&format!("warning: {warning}"))?;
        }
    }
    match action {
        ConfigAction::Check if json => print_json(&json!({ "ok": true, "warnings": settings.warnings }))?,
        ConfigAction::Check => print_line("The settings are good.")?,
        ConfigAction::Show if json => {
            let shown = settings.shown.iter().map(|shown| {
                (shown.variable.clone(), json!({ "value": shown.value, "source": shown.source }))
            });
            print_json(&Value::Object(shown.collect::<Map<_, _>>()))?;
        }
        ConfigAction::Show => {
            for shown in &settings.shown {
                print_line(&format!("{:<32} {:<40} {}", shown.variable, shown.value, shown.source))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
