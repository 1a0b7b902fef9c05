use std::collections::BTreeSet;
use std::path::PathBuf;

use sqlx::migrate::{Migration, Migrator};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use vestibule::repository::StoreError;

use super::embedded_file::real_path;
use super::private_file::private_file_beside;
use super::statement::store_error;
use super::{Database, Engine, POSTGRES_LIMITS, Pools, tables};

/// The schema of one part of an application: a folder of SQL files for each database, with equal names.
///
/// Each part keeps a table of its own in which it notes what was applied, so that a library and an application
/// share a database without knowing of each other.
///
/// A file is named `0012_expand_WHAT.sql` where the release before can go on beside it, and
/// `0013_contract_after_0012_WHAT.sql` where those can that know 0012. So a program knows of what a later release did whether it
/// can live with that (`docs/adr/0031-expand-and-contract.md`).
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
    /// A later release applied these, and they are not of the kind that this program can live with.
    TooNew(Vec<String>),
}

/// A migration that was applied, as the database or a backup notes it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AppliedMigration {
    /// Its number.
    pub version: i64,
    /// The rest of its file's name, in words.
    pub description: String,
    /// SHA-384 of its text.
    pub checksum: Vec<u8>,
}

/// A migration that has not been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMigration {
    version: i64,
    /// Number and description.
    pub name: String,
    /// What it does.
    pub sql: String,
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
    /// A later release changed the schema in a way that this program cannot live with.
    #[error("the database's schema is of a later release, which this one cannot work with: {}", .0.join(", "))]
    TooNew(Vec<String>),
    /// Nothing of this part of the schema was ever applied, and there are tables of these names: somebody else's.
    #[error(
        "the database has tables of these names already, which are somebody else's: {}. Nothing was changed", .0.join(", ")
    )]
    Taken(Vec<String>),
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
        let there = self.tables().await.map_err(|error| migrations.failed(error))?;
        // After the look at the tables: those that another server makes meanwhile are noted by now.
        let applied = self.applied_migrations(migrations).await?;
        if let SchemaState::TooNew(names) = migrations.compare(self.engine(), &applied) {
            return Err(MigrateError::TooNew(names));
        }
        if applied.is_empty() {
            let ours = migrations.tables(self.engine());
            let taken: Vec<String> = there.into_iter().filter(|table| ours.contains(table)).collect();
            if !taken.is_empty() {
                return Err(MigrateError::Taken(taken));
            }
        }
        let failed = |source| MigrateError::Failed { table: migrations.table, source };
        let mut migrator = migrations.migrator(self.engine());
        migrator.dangerous_set_table_name(migrations.table);
        // Which of them a program can live with was asked above.
        migrator.set_ignore_missing(true);
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

    /// The tables that are there, where ours are or would be.
    async fn tables(&self) -> Result<Vec<String>, sqlx::Error> {
        match &self.pools {
            Pools::Sqlite { readers, .. } => tables::sqlite_tables(&mut *readers.acquire().await?).await,
            Pools::Postgres(pool) => {
                let mut connection = pool.acquire().await?;
                let schema = tables::postgres_schema(&mut connection).await?;
                tables::postgres_tables(&mut connection, &schema).await
            }
        }
    }

    /// Makes a schema for [`DatabaseUrl::in_schema`](super::DatabaseUrl::in_schema) where it is missing. An embedded database has none.
    pub async fn make_schema(&self, schema: &str) -> Result<(), StoreError> {
        let Pools::Postgres(pool) = &self.pools else { return Ok(()) };
        let failed = |error| store_error("CREATE SCHEMA", error);
        // Asked for first: who may not make one may still use one that is there.
        let is_there: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)")
                .bind(schema)
                .fetch_one(pool)
                .await
                .map_err(failed)?;
        if !is_there {
            let sql = format!("CREATE SCHEMA IF NOT EXISTS {}", tables::quoted(schema));
            sqlx::query(AssertSqlSafe(sql)).execute(pool).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Compares the database's schema with the one that this program was made for, and changes nothing.
    pub async fn schema_state(&self, migrations: &Migrations) -> Result<SchemaState, MigrateError> {
        Ok(migrations.compare(self.engine(), &self.applied_migrations(migrations).await?))
    }

    /// What was applied, in the order of the numbers; nothing where the part of the application was never here.
    pub async fn applied_migrations(
        &self,
        migrations: &Migrations,
    ) -> Result<Vec<AppliedMigration>, MigrateError> {
        let sql = format!("SELECT version, description, checksum FROM {} ORDER BY version", migrations.table);
        let applied = match &self.pools {
            Pools::Sqlite { readers, .. } => sqlx::query_as(AssertSqlSafe(sql)).fetch_all(readers).await,
            Pools::Postgres(pool) => sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await,
        };
        match applied {
            Ok(applied) => Ok(applied),
            // Nothing was ever applied.
            Err(error) if is_no_such_table(&error) => Ok(Vec::new()),
            Err(error) => Err(MigrateError::Failed { table: migrations.table, source: error.into() }),
        }
    }

    /// What [`Database::migrate`] would apply, in that order.
    pub async fn planned_migrations(
        &self,
        migrations: &Migrations,
    ) -> Result<Vec<PlannedMigration>, MigrateError> {
        let applied = self.applied_migrations(migrations).await?;
        let mut planned = migrations.plan(self.engine());
        planned.retain(|planned| !applied.iter().any(|applied| applied.version == planned.version));
        Ok(planned)
    }
}

impl Migrations {
    fn failed(&self, source: sqlx::Error) -> MigrateError {
        MigrateError::Failed { table: self.table, source: source.into() }
    }

    /// The names of the tables that they make.
    fn tables(&self, engine: Engine) -> BTreeSet<String> {
        let made = |sql: &str| -> Vec<String> {
            let words: Vec<String> = sql.split_whitespace().map(str::to_lowercase).collect();
            let named = words.windows(3).filter(|words| words[0] == "create" && words[1] == "table");
            named.map(|words| words[2].trim_matches(['"', '(']).to_owned()).collect()
        };
        self.plan(engine).iter().flat_map(|planned| made(&planned.sql)).collect()
    }

    /// What they are called, in the order in which they are applied.
    pub fn names(&self) -> Vec<String> {
        self.plan(Engine::Sqlite).into_iter().map(|planned| planned.name).collect()
    }

    /// All of them, as they are applied to an empty database.
    pub fn plan(&self, engine: Engine) -> Vec<PlannedMigration> {
        let planned = |migration: &Migration| PlannedMigration {
            version: migration.version,
            name: name_of(migration.version, &migration.description),
            sql: migration.sql.as_str().to_owned(),
        };
        self.migrator(engine).iter().map(planned).collect()
    }

    /// What those say that were applied: to a database, or to the one that a backup was made of.
    pub fn compare(&self, engine: Engine, applied: &[AppliedMigration]) -> SchemaState {
        let migrator = self.migrator(engine);
        let mut missing = Vec::new();
        for migration in migrator.iter() {
            let name = name_of(migration.version, &migration.description);
            match applied.iter().find(|applied| applied.version == migration.version) {
                None => missing.push(name),
                Some(applied) if applied.checksum != *migration.checksum => {
                    return SchemaState::Changed(name);
                }
                Some(_) => {}
            }
        }
        let newest = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
        let later = self.unknown(engine, applied).into_iter();
        let too_new: Vec<String> = later
            .filter(|applied| !can_live_with(&applied.description, newest))
            .map(|applied| name_of(applied.version, &applied.description))
            .collect();
        match (too_new.is_empty(), missing.is_empty()) {
            (false, _) => SchemaState::TooNew(too_new),
            (true, false) => SchemaState::Missing(missing),
            (true, true) => SchemaState::Expected,
        }
    }

    /// Those of which this program does not know, because a later release made them.
    pub fn unknown<'a>(&self, engine: Engine, applied: &'a [AppliedMigration]) -> Vec<&'a AppliedMigration> {
        let migrator = self.migrator(engine);
        applied.iter().filter(|applied| !migrator.version_exists(applied.version)).collect()
    }

    fn migrator(&self, engine: Engine) -> Migrator {
        match engine {
            Engine::Sqlite => (self.sqlite)(),
            Engine::Postgres => (self.postgres)(),
        }
    }
}

/// Whether a program whose newest migration is `newest` can live with a later one of this description: one that only adds, or
/// one that removes what nobody uses who knows the migration that it names.
fn can_live_with(description: &str, newest: i64) -> bool {
    let words: Vec<&str> = description.split(' ').collect();
    match words[..] {
        ["expand", ..] => true,
        ["contract", "after", number, ..] => number.parse().is_ok_and(|floor: i64| floor <= newest),
        _ => false,
    }
}

fn name_of(version: i64, description: &str) -> String {
    format!("{version:04} {description}")
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
    let database = real_path(&database);
    let mut path = database.clone().into_os_string();
    path.push(".migrate.lock");
    let path = PathBuf::from(path);
    let name = path.display().to_string();
    let locked = tokio::task::spawn_blocking(move || {
        // Who could open it could hold the lock.
        let file = private_file_beside(&database, &path)?;
        file.lock()?;
        Ok(file)
    });
    let flattened = locked.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    flattened.map_err(|source| MigrateError::Lock { path: name, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_release_did_is_lived_with_where_its_name_says_so() {
        for (description, can) in [
            ("expand passkeys", true),
            ("contract after 0009 old names", true),
            ("contract after 9 old names", true),
            ("contract after 0010 old names", false),
            ("contract old names", false),
            ("contract after old names", false),
            ("passkeys", false),
            ("expanded", false),
            ("", false),
        ] {
            assert_eq!(can_live_with(description, 9), can, "{description}");
        }
    }
}
