use std::path::PathBuf;

use sqlx::PgPool;
use sqlx::migrate::{Migrate, Migration, Migrator};
use sqlx::postgres::PgPoolOptions;

use super::{Database, POSTGRES_LIMITS, Pools, private_file};

/// The schema of one part of an application: a folder of SQL files for each database, with equal names.
///
/// Each part keeps a table of its own in which it notes what was applied, so that a library and an application
/// share a database without knowing of each other.
#[derive(Clone, Copy)]
pub struct Migrations {
    /// The table in which is noted what was applied.
    pub table: &'static str,
    /// The files for SQLite: a function, as `sqlx::migrate!` gives a value and not a constant.
    pub sqlite: fn() -> Migrator,
    /// The files for PostgreSQL.
    pub postgres: fn() -> Migrator,
}

/// Whether the database has the schema that this program was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// It has. It may also have what a later release added: releases add first and remove later.
    Expected,
    /// These have not been applied.
    Missing(Vec<String>),
    /// This one was applied with another text than this program's.
    Changed(String),
}

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A migration failed, or an applied one has another text than ours.
    #[error("the database's schema could not be brought up to date ({table})")]
    Failed {
        /// The table that notes what was applied.
        table: &'static str,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// The lock beside an embedded database could not be taken.
    #[error("the lock file {path} could not be taken")]
    Lock {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Database {
    /// Applies what has not been applied. Safe when several servers start at once: one does the work, the others
    /// wait for it.
    pub async fn migrate(&self, migrations: &Migrations) -> Result<(), MigrateError> {
        let failed = |source| MigrateError::Failed { table: migrations.table, source };
        let migrator = migrations.migrator(self);
        match &self.pools {
            Pools::Sqlite { writer, .. } => {
                // SQLite has no advisory locks, so a file beside it serves. It is let go when it is closed.
                let _lock = lock_beside(writer.connect_options().get_filename().to_owned()).await?;
                migrator.run(writer).await.map_err(failed)
            }
            // An advisory lock, taken by the migrator. It does not let it go when a migration fails, but the lock
            // ends with its connection, which therefore is none of those that requests use.
            Pools::Postgres(pool) => {
                let pool = connect_without_limits(pool).await.map_err(|error| failed(error.into()))?;
                let outcome = migrator.run(&pool).await.map_err(failed);
                pool.close().await;
                outcome
            }
        }
    }

    /// Compares the database's schema with the one that this program was made for, and changes nothing.
    pub async fn schema_state(&self, migrations: &Migrations) -> Result<SchemaState, MigrateError> {
        let applied = match &self.pools {
            Pools::Sqlite { readers, .. } => match readers.acquire().await {
                Ok(mut connection) => connection.list_applied_migrations(migrations.table).await,
                Err(error) => Err(error.into()),
            },
            Pools::Postgres(pool) => match pool.acquire().await {
                Ok(mut connection) => connection.list_applied_migrations(migrations.table).await,
                Err(error) => Err(error.into()),
            },
        };
        let applied = match applied {
            Ok(applied) => applied,
            // Nothing was ever applied.
            Err(sqlx::migrate::MigrateError::Execute(error)) if is_no_such_table(&error) => Vec::new(),
            Err(source) => {
                return Err(MigrateError::Failed { table: migrations.table, source });
            }
        };
        let mut missing = Vec::new();
        for migration in migrations.migrator(self).iter() {
            let name = name_of(migration);
            match applied.iter().find(|applied| applied.version == migration.version) {
                None => missing.push(name),
                Some(applied) if applied.checksum != migration.checksum => {
                    return Ok(SchemaState::Changed(name));
                }
                Some(_) => {}
            }
        }
        Ok(if missing.is_empty() { SchemaState::Expected } else { SchemaState::Missing(missing) })
    }
}

impl Migrations {
    /// What they are called, in the order in which they are applied.
    pub fn names(&self) -> Vec<String> {
        (self.sqlite)().iter().map(name_of).collect()
    }

    fn migrator(&self, database: &Database) -> Migrator {
        let mut migrator = match database.pools {
            Pools::Sqlite { .. } => (self.sqlite)(),
            Pools::Postgres(_) => (self.postgres)(),
        };
        migrator.dangerous_set_table_name(self.table);
        // What a later release applied is no reason for an older one not to run: that is how one goes back.
        migrator.set_ignore_missing(true);
        migrator
    }
}

fn name_of(migration: &Migration) -> String {
    format!("{:04} {}", migration.version, migration.description)
}

/// A connection on which a statement may take and wait as long as it must: an index on a large table takes longer
/// than any request may, and of several servers that start at once all but one wait for the one's whole work.
async fn connect_without_limits(pool: &PgPool) -> Result<PgPool, sqlx::Error> {
    let without_limits = POSTGRES_LIMITS.map(|(limit, _)| (limit, "0"));
    // Of a setting that is given twice PostgreSQL takes the later.
    let options = (*pool.connect_options()).clone().options(without_limits);
    PgPoolOptions::new().max_connections(1).connect_with(options).await
}

/// SQLite has one code for whatever is wrong with a statement, so there its words decide.
fn is_no_such_table(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table")
    })
}

async fn lock_beside(database: PathBuf) -> Result<std::fs::File, MigrateError> {
    let mut path = database.into_os_string();
    path.push(".migrate.lock");
    let path = PathBuf::from(path);
    let name = path.display().to_string();
    let locked = tokio::task::spawn_blocking(move || {
        // Who could open it could hold the lock.
        let file = private_file(&path)?;
        file.lock()?;
        Ok(file)
    });
    let flattened = locked.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    flattened.map_err(|source| MigrateError::Lock { path: name, source })
}
