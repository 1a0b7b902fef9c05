use std::process::ExitCode;

use serde_json::{Value, json};
use vestibule_sql::{
    Database, DatabaseUrl, EmbeddedFile, Engine, KEPT_BY_EACH_DATABASE, MoveError, MovedTable,
    PostgresServer, SchemaState, move_rows,
};

use super::office::existing_database;
use super::output::{print_json, print_line};
use crate::app::App;
use crate::backups::postgres::unanswered;
use crate::backups::progress::Progress;
use crate::failure::{Failure, with_causes};
use crate::house::{difference, migrate};
use crate::settings::{Network, Settings, unverified_host_elsewhere};

/// Copies the embedded database of the settings to PostgreSQL.
pub(crate) async fn run(app: &App, settings: &Settings, to: &str, json: bool) -> Result<ExitCode, Failure> {
    let progress = Progress::new(json);
    let target = parse_target(settings, to)?;
    let Some(file) = settings.database_url.file() else {
        return Err(Failure::with_way_out(
            format!("{} is no embedded database", settings.database_url),
            "Set VESTIBULE_DATABASE_URL to the sqlite://FILE that is to be moved. From PostgreSQL to PostgreSQL go `backup` and `restore`.",
        ));
    };
    expect_up_to_date(app, settings).await?;
    let source = EmbeddedFile::behind(file);
    // Held to the end: what a server wrote meanwhile would be lost.
    let lock = source.lock_alone().map_err(Failure::because)?;
    let Some(_lock) = lock else {
        return Err(Failure::with_way_out(
            format!("the database {} is in use", settings.database_url),
            "Stop the servers first. Nothing was changed.",
        ));
    };
    prepare_target(app, &target).await?;

    let left_out = left_out(app);
    let tell_table = |table: &MovedTable| progress.step(&format!("{}: {} rows", table.name, table.rows));
    let moved = move_rows(&source, &target, &left_out, tell_table).await.map_err(|error| refusal(&error))?;
    let rows: u64 = moved.iter().map(|table| table.rows).sum();
    if json {
        let tables: Vec<Value> = moved
            .iter()
            .map(|table| json!({ "name": table.name, "rows": table.rows, "digest": table.digest }))
            .collect();
        print_json(
            &json!({ "from": settings.database_url.to_string(), "to": target.to_string(), "tables": tables }),
        )?;
    } else {
        print_line(&format!(
            "{rows} rows of {} tables are in {target}, each table the same there as here.",
            moved.len()
        ))?;
        print_line(&format!(
            "Set VESTIBULE_DATABASE_URL to it and start the servers. {} stays as it is: keep it until you are sure, then remove it.",
            settings.database_url
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The tables that note what was migrated, and those that each database fills for itself.
fn left_out(app: &App) -> Vec<&'static str> {
    let noted = app.all_migrations().into_iter().map(|migrations| migrations.table);
    noted.chain(KEPT_BY_EACH_DATABASE).collect()
}

fn parse_target(settings: &Settings, to: &str) -> Result<DatabaseUrl, Failure> {
    // What was typed may hold a password, so it is not repeated.
    let target: DatabaseUrl = to.parse().map_err(|error| {
        Failure::with_way_out(format!("--to: {error}"), "Give postgres://USER@HOST/DATABASE.")
    })?;
    if target.engine() != Engine::Postgres {
        return Err(Failure::with_way_out(
            "--to leads to no PostgreSQL",
            "Give postgres://USER@HOST/DATABASE. An embedded database is copied with `backup` and `restore`.",
        ));
    }
    if let Some(host) = unverified_host_elsewhere(&target)
        && settings.network == Network::Open
    {
        return Err(Failure::with_way_out(
            format!("{host} is another machine, and nothing makes sure that it is the one"),
            "Add ?sslmode=verify-full, and &sslrootcert=FILE for an authority of your own.",
        ));
    }
    Ok(target)
}

async fn expect_up_to_date(app: &App, settings: &Settings) -> Result<(), Failure> {
    let database = existing_database(app, settings).await?;
    for migrations in app.all_migrations() {
        let state = database.schema_state(&migrations).await.map_err(Failure::because)?;
        if state != SchemaState::Expected || has_more(&database, &migrations).await? {
            let told = difference(&state).unwrap_or_else(|| "of a later release".to_owned());
            return Err(Failure::with_way_out(
                format!("the embedded database's schema is not that of this release: {told}"),
                format!(
                    "Run `{} migrate`, or the release that was there last. Nothing was changed.",
                    app.name
                ),
            ));
        }
    }
    database.close().await;
    Ok(())
}

async fn has_more(database: &Database, migrations: &vestibule_sql::Migrations) -> Result<bool, Failure> {
    let applied = database.applied_migrations(migrations).await.map_err(Failure::because)?;
    Ok(!migrations.unknown(database.engine(), &applied).is_empty())
}

/// Makes the tables of this release in a database that has none, or that has them without a row.
async fn prepare_target(app: &App, target: &DatabaseUrl) -> Result<(), Failure> {
    let Some(server) = PostgresServer::of(target) else { return Ok(()) };
    let unanswered = |error| {
        let Failure::Other { what, .. } = unanswered(&error) else { return Failure::because(error) };
        Failure::with_way_out(
            what,
            "Check --to, and that the database is there and can be reached from here.",
        )
    };
    if server.count_servers().await.map_err(unanswered)? > 0 {
        return Err(Failure::with_way_out(
            format!("a server of the site has {target} open"),
            "Stop it first. Nothing was changed.",
        ));
    }
    let held = server.hold().await.map_err(unanswered)?;
    let left_out = left_out(app);
    let full = held.rows.iter().filter(|(table, rows)| **rows > 0 && !left_out.contains(&table.as_str()));
    let full: Vec<String> = full.map(|(table, _)| table.clone()).collect();
    held.close().await.map_err(unanswered)?;
    if !full.is_empty() {
        return Err(refusal(&MoveError::NotEmpty(full)));
    }
    let database = Database::connect(target).await.map_err(Failure::because)?;
    for migrations in app.all_migrations() {
        migrate(&database, &migrations).await?;
    }
    database.close().await;
    Ok(())
}

fn refusal(error: &MoveError) -> Failure {
    let way_out = match error {
        MoveError::NotEmpty(_) => "Give an empty database. Nothing was changed.",
        MoveError::Different(_) => {
            "Both are made by the same migrations: look for tables that were made or changed by hand. Nothing was moved."
        }
        _ => "Nothing was moved: all of it is one transaction. The embedded database is as it was.",
    };
    Failure::with_way_out(with_causes(error), way_out)
}
