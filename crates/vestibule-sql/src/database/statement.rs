use std::sync::atomic::Ordering;

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteError, SqliteRow};
use sqlx::{Arguments as _, Database, Encode, Executor, FromRow, IntoArguments, Postgres, Sqlite, Type};
use tracing::Instrument;
use vestibule::Changed;
use vestibule::repository::{StoreError, StoreFailure};

use super::{Connection, Link};

/// A value that both databases take.
pub trait Value:
    for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> + Send
{
}

impl<T> Value for T where
    T: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> + Send
{
}

/// A row that both databases give. `#[derive(sqlx::FromRow)]` makes one.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// A statement on its way: one SQL text with `$1`, `$2`, … for both databases, and the values.
#[must_use = "a statement does nothing until it is executed"]
pub struct Statement<'c> {
    connection: &'c mut Connection,
    sql: &'static str,
    intent: Intent,
    arguments: Result<Arguments, BoxDynError>,
    changed: Option<Changed>,
}

pub(super) enum Intent {
    Read,
    Write,
}

enum Arguments {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

/// Runs a function of (executor, SQL, arguments) on whichever driver the connection has.
macro_rules! on_driver {
    ($statement:ident, $function:path) => {{
        $statement.connection.round_trips.fetch_add(1, Ordering::Relaxed);
        let sql = $statement.sql;
        let span = traced(sql, &$statement.connection.link);
        let arguments = $statement.arguments.map_err(|error| StoreError::new(summary(sql), error))?;
        let untold = $statement.changed.map(|changed| $statement.connection.untold(changed));
        let outcome = match (&mut $statement.connection.link, arguments, $statement.intent) {
            (Link::Sqlite { readers, .. }, Arguments::Sqlite(arguments), Intent::Read) => {
                $function(&*readers, sql, arguments).instrument(span).await
            }
            (Link::Sqlite { writer, .. }, Arguments::Sqlite(arguments), Intent::Write) => {
                $function(&*writer, sql, arguments).instrument(span).await
            }
            (Link::SqliteTransaction(transaction), Arguments::Sqlite(arguments), _) => {
                $function(&mut **transaction, sql, arguments).instrument(span).await
            }
            (Link::Postgres(pool), Arguments::Postgres(arguments), _) => {
                $function(&*pool, sql, arguments).instrument(span).await
            }
            (Link::PostgresTransaction(transaction), Arguments::Postgres(arguments), _) => {
                $function(&mut **transaction, sql, arguments).instrument(span).await
            }
            _ => unreachable!("a statement's arguments are made for its connection's driver"),
        };
        if let Some(untold) = untold {
            untold.tell();
        }
        outcome.map_err(|error| store_error(sql, error))
    }};
}

impl<'c> Statement<'c> {
    pub(super) fn new(connection: &'c mut Connection, sql: &'static str, intent: Intent) -> Self {
        let arguments = match connection.link {
            Link::Sqlite { .. } | Link::SqliteTransaction(_) => Arguments::Sqlite(SqliteArguments::default()),
            Link::Postgres(_) | Link::PostgresTransaction(_) => Arguments::Postgres(PgArguments::default()),
        };
        Self { connection, sql, intent, arguments: Ok(arguments), changed: None }
    }

    /// Says what it changes, for the cache of sessions to forget. What PostgreSQL tells the other servers is the same, by the triggers
    /// of the migration `expand_session_changes`.
    pub(crate) fn changing(mut self, changed: Changed) -> Self {
        self.changed = Some(changed);
        self
    }

    /// Gives the next placeholder its value.
    pub fn bind(mut self, value: impl Value) -> Self {
        self.arguments = self.arguments.and_then(|mut arguments| {
            match &mut arguments {
                Arguments::Sqlite(arguments) => arguments.add(value)?,
                Arguments::Postgres(arguments) => arguments.add(value)?,
            }
            Ok(arguments)
        });
        self
    }

    /// Runs it and counts the rows that it changed.
    pub async fn execute(self) -> Result<u64, StoreError> {
        on_driver!(self, execute)
    }

    /// Runs it for one row or none.
    pub async fn optional<R: Row>(self) -> Result<Option<R>, StoreError> {
        on_driver!(self, optional)
    }

    /// Runs it for all its rows.
    pub async fn all<R: Row>(self) -> Result<Vec<R>, StoreError> {
        on_driver!(self, all)
    }
}

/// For a collector of traces, where there is one: the statement as it is written, without its values.
fn traced(sql: &'static str, link: &Link) -> tracing::Span {
    tracing::debug_span!(
        target: "vestibule_trace",
        "statement",
        otel.name = sql.split_whitespace().next().unwrap_or_default(),
        otel.kind = "client",
        db.system.name = match link {
            Link::Sqlite { .. } | Link::SqliteTransaction(_) => "sqlite",
            Link::Postgres(_) | Link::PostgresTransaction(_) => "postgresql",
        },
        db.query.text = sql,
    )
}

/// What both drivers call the number of changed rows.
trait RowsAffected {
    fn rows_affected(&self) -> u64;
}

impl RowsAffected for sqlx::sqlite::SqliteQueryResult {
    fn rows_affected(&self) -> u64 {
        self.rows_affected()
    }
}

impl RowsAffected for sqlx::postgres::PgQueryResult {
    fn rows_affected(&self) -> u64 {
        self.rows_affected()
    }
}

async fn execute<'e, DB, E>(
    executor: E,
    sql: &'static str,
    arguments: DB::Arguments,
) -> Result<u64, sqlx::Error>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    DB::QueryResult: RowsAffected,
    E: Executor<'e, Database = DB>,
{
    Ok(sqlx::query_with(sql, arguments).execute(executor).await?.rows_affected())
}

async fn optional<'e, DB, E, R>(
    executor: E,
    sql: &'static str,
    arguments: DB::Arguments,
) -> Result<Option<R>, sqlx::Error>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    E: Executor<'e, Database = DB>,
    R: for<'r> FromRow<'r, DB::Row> + Send + Unpin,
{
    // To the end and not only to the first row: a statement of SQLite's that stands alone commits when it ends, and
    // an error of that commit (a full disk) is lost where the rest is dropped.
    let rows: Vec<R> = sqlx::query_as_with(sql, arguments).fetch_all(executor).await?;
    Ok(rows.into_iter().next())
}

async fn all<'e, DB, E, R>(
    executor: E,
    sql: &'static str,
    arguments: DB::Arguments,
) -> Result<Vec<R>, sqlx::Error>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    E: Executor<'e, Database = DB>,
    R: for<'r> FromRow<'r, DB::Row> + Send + Unpin,
{
    sqlx::query_as_with(sql, arguments).fetch_all(executor).await
}

/// Translates a driver's error. The statement's beginning says what was being done; values are not in it.
pub(super) fn store_error(sql: &'static str, error: sqlx::Error) -> StoreError {
    let failure = if is_unavailable(&error) {
        StoreFailure::Unavailable
    } else if is_conflict(&error) {
        StoreFailure::Conflict
    } else {
        StoreFailure::Broken
    };
    StoreError::of(failure, summary(sql), error)
}

/// Whether a unique value was taken, or a row that this one refers to is gone.
fn is_conflict(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation() || error.is_foreign_key_violation())
}

fn summary(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().take(8).collect();
    format!("the database refused or failed: {} …", words.join(" "))
}

/// Whether trying again later may help.
fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => match error.try_downcast_ref::<SqliteError>() {
            Some(_) => error.code().and_then(|code| code.parse().ok()).is_some_and(is_sqlite_unavailable),
            None => error.code().is_some_and(|code| is_postgres_unavailable(&code)),
        },
        _ => false,
    }
}

/// Busy, locked, I/O error, full, cannot be opened. The low byte of a code is its kind, the rest says more of it.
fn is_sqlite_unavailable(code: u32) -> bool {
    matches!(code & 0xff, 5 | 6 | 10 | 13 | 14)
}

/// Connection exceptions, out of resources, shutting down, a time limit, and a deadlock, which ends with one of two.
fn is_postgres_unavailable(code: &str) -> bool {
    ["08", "53", "57P"].iter().any(|class| code.starts_with(class))
        || matches!(code, "57014" | "55P03" | "25P03" | "40P01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_is_broken() {
        // SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT, SQLITE_IOERR_FSYNC, SQLITE_FULL, SQLITE_CANTOPEN.
        for code in [5, 517, 1034, 13, 14] {
            assert!(is_sqlite_unavailable(code), "{code}");
        }
        // SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_CONSTRAINT_CHECK, SQLITE_CONSTRAINT_COMMITHOOK.
        for code in [1, 11, 275, 531] {
            assert!(!is_sqlite_unavailable(code), "{code}");
        }
        for code in ["08006", "53300", "57P01", "57014", "55P03", "40P01"] {
            assert!(is_postgres_unavailable(code), "{code}");
        }
        for code in ["23505", "42P01", "22P02"] {
            assert!(!is_postgres_unavailable(code), "{code}");
        }
    }
}
