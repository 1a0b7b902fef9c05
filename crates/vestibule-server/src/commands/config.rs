use std::process::ExitCode;

use crate::command_line::ConfigAction;
use crate::settings::Settings;

/// Shows the settings, which were checked when they were read.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub(crate) fn run(action: &ConfigAction, settings: &Settings, json: bool) -> ExitCode {
    if !json {
        for warning in &settings.warnings {
            println!("warning: {warning}");
        }
    }
    match action {
        ConfigAction::Check if json => {
            println!("{}", serde_json::json!({ "ok": true, "warnings": settings.warnings }));
        }
        ConfigAction::Check => println!("The settings are good."),
        ConfigAction::Show if json => {
            let shown: serde_json::Map<_, _> = settings
                .shown
                .iter()
                .map(|shown| {
                    let value = serde_json::json!({ "value": shown.value, "source": shown.source });
                    (shown.variable.clone(), value)
                })
                .collect();
            println!("{}", serde_json::Value::Object(shown));
        }
        ConfigAction::Show => {
            for shown in &settings.shown {
                println!("{:<32} {:<40} {}", shown.variable, shown.value, shown.source);
            }
        }
    }
    ExitCode::SUCCESS
}
