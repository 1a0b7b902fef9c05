use std::process::ExitCode;

use vestibule_sql::SchemaState;

use crate::app::App;
use crate::failure::Failure;
use crate::house::{difference, open_database};
use crate::settings::Settings;

/// Brings the schema up to date, or with `check` only says what is missing.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    check: bool,
    json: bool,
) -> Result<ExitCode, Failure> {
    let database = open_database(settings).await?;
    let mut missing = Vec::new();
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

    let is_incomplete = check && !missing.is_empty();
    if json {
        let key = if check { "missing" } else { "applied" };
        println!("{}", serde_json::json!({ "database": settings.database_url.to_string(), key: missing }));
    } else if missing.is_empty() {
        println!("The schema of {} is up to date.", settings.database_url);
    } else {
        let done = if check { "not applied yet" } else { "applied" };
        println!("The schema of {}: {done}:", settings.database_url);
        for name in missing {
            println!("  {name}");
        }
    }
    Ok(if is_incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
