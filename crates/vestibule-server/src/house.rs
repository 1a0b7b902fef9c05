use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use vestibule::ports::{HashingSlots, OsRandom, SystemClock};
use vestibule::{Accounts, OpenError, Policy, Ports};
use vestibule_sql::{Database, Migrations, SchemaState, SqlStore};
use vestibule_web::{Parts, Readiness, Routes, Vestibule};

use crate::app::App;
use crate::failure::{Failure, with_causes};
use crate::secret_file::secret_key;
use crate::settings::Settings;

/// Opens the database of the settings.
pub(crate) async fn open_database(settings: &Settings) -> Result<Database, Failure> {
    Database::connect(&settings.database_url).await.map_err(|error| {
        Failure::with_way_out(
            with_causes(&error),
            "Check VESTIBULE_DATABASE_URL, and that the database runs and can be reached from here.",
        )
    })
}

/// Brings the schema up to date, or, where the settings forbid that, asks that it is.
pub(crate) async fn prepare_schema(
    app: &App,
    settings: &Settings,
    database: &Database,
) -> Result<(), Failure> {
    for migrations in app.all_migrations() {
        if settings.migrate {
            database.migrate(&migrations).await.map_err(Failure::because)?;
        } else {
            let state = database.schema_state(&migrations).await.map_err(Failure::because)?;
            if let Some(difference) = difference(&state) {
                return Err(Failure::with_way_out(
                    format!("the database's schema is not the expected one: {difference}"),
                    format!("VESTIBULE_MIGRATE is off, so run `{} migrate` before the start.", app.name),
                ));
            }
        }
    }
    Ok(())
}

/// Accounts and routes over a database whose schema is ready.
pub(crate) async fn furnish(app: &App, settings: &Settings, database: &Database) -> Result<Routes, Failure> {
    let random = Arc::new(OsRandom);
    let slots = settings
        .hash_slots
        .unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let ports = Ports {
        store: Arc::new(SqlStore::new(database.clone())),
        clock: Arc::new(SystemClock),
        random: random.clone(),
        hasher: Arc::new(HashingSlots::start(settings.hash_parameters, slots, random.clone())),
    };
    let policy = Policy {
        access_ttl: settings.access_ttl,
        session: settings.session_lifetimes,
        ..Policy::new(settings.site_name.clone(), settings.public_url.clone())
    };
    let accounts =
        Accounts::open(ports, &secret_key(settings)?, policy).await.map_err(|error| match error {
            OpenError::SigningKey(error) => Failure::with_way_out(
                error.to_string(),
                "Start with the VESTIBULE_SECRET_KEY that the database was first used with.",
            ),
            OpenError::Store(error) => Failure::because(error),
        })?;
    let readiness =
        Arc::new(DatabaseReadiness { database: database.clone(), migrations: app.all_migrations() });
    let vestibule =
        Vestibule::new(Parts { accounts: Arc::new(accounts), random, layout: app.layout.clone(), readiness });
    Ok(vestibule_web::routes(&vestibule).merge((app.routes)(&vestibule, database)))
}

/// What a schema lacks, in words.
pub(crate) fn difference(state: &SchemaState) -> Option<String> {
    match state {
        SchemaState::Expected => None,
        SchemaState::Missing(missing) => Some(format!("not applied yet: {}", missing.join(", "))),
        SchemaState::Changed(name) => {
            Some(format!("{name} was applied with another text than this program's"))
        }
    }
}

/// Ready while the database answers and has the expected schema.
struct DatabaseReadiness {
    database: Database,
    migrations: Vec<Migrations>,
}

#[async_trait]
impl Readiness for DatabaseReadiness {
    async fn check(&self) -> Result<(), String> {
        if let Err(error) = self.database.ping().await {
            tracing::warn!(cause = with_causes(&error), "the database does not answer");
            return Err("the database does not answer".into());
        }
        for migrations in &self.migrations {
            let state = self.database.schema_state(migrations).await.map_err(|error| {
                tracing::warn!(cause = with_causes(&error), "the schema cannot be read");
                "the schema cannot be read".to_owned()
            })?;
            if let Some(difference) = difference(&state) {
                return Err(format!("the schema is not the expected one: {difference}"));
            }
        }
        Ok(())
    }
}
