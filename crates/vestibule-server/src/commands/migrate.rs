use std::process::ExitCode;

use serde_json::{Value, json};
use vestibule_sql::{PlannedMigration, SchemaState};

use super::output::{print_json, print_line};
use crate::app::App;
use crate::failure::Failure;
use crate::house::{OF_A_LATER_RELEASE, difference, is_embedded_missing, migrate, open_database};
use crate::settings::Settings;

/// What is to be done about the schema. Without any of it, it is brought up to date.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Only say what is missing, and whether something is.
    pub check: bool,
    /// Only say what would be done.
    pub plan: bool,
    /// Say it in SQL.
    pub sql: bool,
}

/// Brings the schema up to date, or only says what is missing.
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    asked: Asked,
    json: bool,
) -> Result<ExitCode, Failure> {
    let only_tells = asked.check || asked.plan;
    let mut missing = Vec::new();
    if only_tells && is_embedded_missing(settings) {
        let engine = settings.database_url.engine();
        missing.extend(app.all_migrations().iter().flat_map(|migrations| migrations.plan(engine)));
        return tell(settings, asked, &missing, json);
    }
    let database = open_database(settings).await?;
    for migrations in app.all_migrations() {
        let state = database.schema_state(&migrations).await.map_err(Failure::because)?;
        if let (SchemaState::Changed(_) | SchemaState::TooNew(_), Some(difference)) =
            (&state, difference(&state))
        {
            return Err(Failure::with_way_out(
                format!("the database's schema is not one of this release's: {difference}"),
                OF_A_LATER_RELEASE,
            ));
        }
        missing.extend(database.planned_migrations(&migrations).await.map_err(Failure::because)?);
        if !only_tells {
            migrate(&database, &migrations).await?;
        }
    }
    database.close().await;
    tell(settings, asked, &missing, json)
}

fn tell(
    settings: &Settings,
    asked: Asked,
    missing: &[PlannedMigration],
    json: bool,
) -> Result<ExitCode, Failure> {
    let is_incomplete = asked.check && !missing.is_empty();
    if json {
        let key = match (asked.check, asked.plan) {
            (true, _) => "missing",
            (_, true) => "planned",
            _ => "applied",
        };
        let told: Vec<Value> = missing
            .iter()
            .map(|one| if asked.sql { json!({ "name": one.name, "sql": one.sql }) } else { json!(one.name) })
            .collect();
        print_json(&json!({ "database": settings.database_url.to_string(), key: told }))?;
    } else if asked.sql {
        for one in missing {
            print_line(&format!("-- {}\n{}", one.name, one.sql.trim_end()))?;
        }
    } else if missing.is_empty() {
        print_line(&format!("The schema of {} is up to date.", settings.database_url))?;
    } else {
        let done = match (asked.check, asked.plan) {
            (true, _) => "not applied yet",
            (_, true) => "would be applied",
            _ => "applied",
        };
        print_line(&format!("The schema of {}: {done}:", settings.database_url))?;
        for one in missing {
            print_line(&format!("  {}", one.name))?;
        }
    }
    Ok(if is_incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
