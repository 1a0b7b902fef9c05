use std::process::ExitCode;

use serde_json::json;
use vestibule_sql::{Migrations, SchemaState};

use super::output::{print_json, print_line};
use crate::app::App;
use crate::failure::Failure;
use crate::house::{difference, is_embedded_missing, open_database};
use crate::settings::Settings;

/// Brings the schema up to date, or with `check` only says what is missing.
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    check: bool,
    json: bool,
) -> Result<ExitCode, Failure> {
    let mut missing = Vec::new();
    if check && is_embedded_missing(settings) {
        missing.extend(app.all_migrations().iter().flat_map(Migrations::names));
        return tell(settings, check, &missing, json);
    }
    let database = open_database(settings).await?;
    for migrations in app.all_migrations() {
        let state = database.schema_state(&migrations).await.map_err(Failure::because)?;
        if let (SchemaState::Changed(_), Some(difference)) = (&state, difference(&state)) {
            return Err(Failure::with_way_out(
                difference,
                "Run the release that made this schema, or a later one.",
            ));
        }
        if let SchemaState::Missing(names) = state {
            missing.extend(names);
        }
        if !check {
            database.migrate(&migrations).await.map_err(Failure::because)?;
        }
    }
    database.close().await;
    tell(settings, check, &missing, json)
}

fn tell(settings: &Settings, check: bool, missing: &[String], json: bool) -> Result<ExitCode, Failure> {
    let is_incomplete = check && !missing.is_empty();
    if json {
        let key = if check { "missing" } else { "applied" };
        print_json(&json!({ "database": settings.database_url.to_string(), key: missing }))?;
    } else if missing.is_empty() {
        print_line(&format!("The schema of {} is up to date.", settings.database_url))?;
    } else {
        let done = if check { "not applied yet" } else { "applied" };
        print_line(&format!("The schema of {}: {done}:", settings.database_url))?;
        for name in missing {
            print_line(&format!("  {name}"))?;
        }
    }
    Ok(if is_incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
