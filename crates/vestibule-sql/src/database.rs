use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};
use vestibule::repository::StoreError;
use vestibule::{Changed, SessionCache};

use crate::hooks::{AccountEvent, Hooks, RefusedByHook, tell_committed};

mod columns;
mod database_url;
mod embedded_file;
mod follow_changes;
mod migrations;
mod move_rows;
mod postgres_dump;
mod private_file;
mod restored;
mod statement;
mod tables;
mod untold;

pub use columns::{At, Id};
pub use database_url::{DatabaseUrl, DatabaseUrlError};
pub use embedded_file::{EmbeddedFile, EmbeddedFileError};
pub use follow_changes::FollowError;
pub use migrations::{AppliedMigration, MigrateError, Migrations, PlannedMigration, SchemaState};
pub use move_rows::{MoveError, MovedTable, move_rows};
pub use postgres_dump::{PostgresDump, PostgresServer};
pub use restored::end_restored_sql;
pub use statement::{Row, Statement, Value};
pub use tables::KEPT_BY_EACH_DATABASE;

use database_url::Target;
use private_file::{make_private_folder, private_file};
use statement::store_error;
use untold::Untold;

/// How long SQLite waits for another process (a command of the operator's, a backup) to finish writing.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite has one writer at a time. A pool of one queues the writers of this process fairly; without it they
/// would find the database busy and sleep.
const SQLITE_WRITERS: u32 = 1;
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 10;
/// How long a request waits for a free connection before the person is told to try again.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that rested longer than this is tried before it is used: the server may have gone meanwhile.
/// A busy one is not, for that would double the round trips of a session check.
const TRIED_AFTER_REST: Duration = Duration::from_secs(5);
/// Limits that PostgreSQL itself holds, so that a statement gone wrong does not hold its locks for ever.
const POSTGRES_LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "10s"), ("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "15s")];

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// Where accounts are kept: an embedded SQLite file or a PostgreSQL server. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pools: Pools,
    url: Arc<DatabaseUrl>,
    round_trips: Arc<AtomicU64>,
    /// While it is held, nobody puts another file in the place of an embedded database.
    _in_use: Option<Arc<std::fs::File>>,
}

#[derive(Clone)]
enum Pools {
    Sqlite {
        readers: SqlitePool,
        writer: SqlitePool,
        /// How many connections the writer had, one after the other.
        writers: Arc<AtomicU64>,
    },
    Postgres(PgPool),
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The folder or the file of an embedded database could not be made.
    #[error("the database file {path} cannot be opened")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program is about to put another file in its place.
    #[error("the database file {0} is being restored or moved by another program")]
    BeingReplaced(String),
    /// The database did not answer.
    #[error("the database at {place} cannot be opened")]
    Database {
        /// Host and database, or the file, without a password.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
}

impl Database {
    /// Opens the database. The file of an embedded one is made where it is missing, with its folder, both
    /// readable by their owner only.
    pub async fn connect(url: &DatabaseUrl) -> Result<Self, ConnectError> {
        let failed = |source| ConnectError::Database { place: url.to_string(), source };
        let mut in_use = None;
        let pools = match &url.0 {
            Target::Sqlite(options) => {
                let path = options.get_filename();
                let of_file = |source| ConnectError::File { path: path.display().to_string(), source };
                make_private_folder(path).map_err(of_file)?;
                // Before the file is there: whoever replaces it has looked whether there is one.
                let lock = embedded_file::share(path).map_err(of_file)?;
                in_use = Some(lock.ok_or_else(|| ConnectError::BeingReplaced(path.display().to_string()))?);
                private_file(path).map_err(of_file)?;
                connect_sqlite(options).await.map_err(failed)?
            }
            Target::Postgres(options, _) => {
                let options = (**options).clone().application_name("vestibule").options(POSTGRES_LIMITS);
                Pools::Postgres(postgres_pool().connect_with(options).await.map_err(failed)?)
            }
        };
        Ok(Self {
            pools,
            url: Arc::new(url.clone()),
            round_trips: Arc::default(),
            _in_use: in_use.map(Arc::new),
        })
    }

    /// Where it was opened.
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Which database it is.
    pub fn engine(&self) -> Engine {
        match self.pools {
            Pools::Sqlite { .. } => Engine::Sqlite,
            Pools::Postgres(_) => Engine::Postgres,
        }
    }

    /// Statements that each hold by themselves.
    pub fn alone(&self) -> Connection {
        let link = match &self.pools {
            Pools::Sqlite { readers, writer, .. } => {
                Link::Sqlite { readers: readers.clone(), writer: writer.clone() }
            }
            Pools::Postgres(pool) => Link::Postgres(pool.clone()),
        };
        self.connection(link)
    }

    /// A transaction. Dropped without [`Connection::commit`], it undoes everything.
    pub async fn begin(&self) -> Result<Connection, StoreError> {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let failed = |error| store_error("BEGIN", error);
        let link = match &self.pools {
            Pools::Sqlite { writer, .. } => begin_on(writer).await.map_err(failed)?,
            // In a task of its own, which comes to its end also where the request is given up meanwhile. sqlx 0.9 would give the
            // connection back within a transaction that nobody ends: what others do on it later would be lost with it.
            Pools::Postgres(pool) => {
                let pool = pool.clone();
                let begun = tokio::spawn(async move { pool.begin().await }).await;
                Link::PostgresTransaction(
                    begun.map_err(|_| sqlx::Error::WorkerCrashed).flatten().map_err(failed)?,
                )
            }
        };
        Ok(self.connection(link))
    }

    fn connection(&self, link: Link) -> Connection {
        Connection::new(link, &self.round_trips)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.alone().read("SELECT 1").execute().await.map(drop)
    }

    /// How many times the database was spoken to since it was opened: statements, `BEGIN` and `COMMIT`.
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// How many connections are open and how many of them wait for work.
    pub fn pools(&self) -> Vec<PoolState> {
        let count = |idle: usize| u32::try_from(idle).unwrap_or(u32::MAX);
        match &self.pools {
            Pools::Sqlite { readers, writer, .. } => vec![
                PoolState { name: "readers", open: readers.size(), idle: count(readers.num_idle()) },
                PoolState { name: "writer", open: writer.size(), idle: count(writer.num_idle()) },
            ],
            Pools::Postgres(pool) => {
                vec![PoolState { name: "all", open: pool.size(), idle: count(pool.num_idle()) }]
            }
        }
    }

    /// Closes all connections, after what is under way on them.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { readers, writer, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

/// The connections of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolState {
    /// What they are for.
    pub name: &'static str,
    /// How many are open.
    pub open: u32,
    /// How many of them wait for work.
    pub idle: u32,
}

/// Where statements run: by themselves, or in a transaction.
pub struct Connection {
    link: Link,
    round_trips: Arc<AtomicU64>,
    /// Who is told what changes.
    cache: Option<Arc<SessionCache>>,
    /// What this transaction changes.
    changed: Vec<Changed>,
    /// The application's hooks, and what they are told when the transaction is committed.
    hooks: Option<Hooks>,
    events: Vec<AccountEvent>,
    /// A hook did not let a change happen: whoever goes on all the same can make nothing of it hold.
    is_refused: bool,
}

enum Link {
    Sqlite { readers: SqlitePool, writer: SqlitePool },
    Postgres(PgPool),
    SqliteTransaction(Transaction<'static, Sqlite>),
    PostgresTransaction(Transaction<'static, Postgres>),
}

impl Connection {
    /// A statement that only reads.
    pub fn read(&mut self, sql: &'static str) -> Statement<'_> {
        Statement::new(self, sql, statement::Intent::Read)
    }

    /// A statement that may change something.
    pub fn write(&mut self, sql: &'static str) -> Statement<'_> {
        Statement::new(self, sql, statement::Intent::Write)
    }

    /// Whether rows can be locked for a transaction (`FOR SHARE`), because there are several writers at a time.
    pub fn has_row_locks(&self) -> bool {
        matches!(self.link, Link::Postgres(_) | Link::PostgresTransaction(_))
    }

    /// Whether a change can be part of a question: `WITH changed AS (UPDATE … RETURNING …) SELECT …`.
    pub fn can_change_within_a_question(&self) -> bool {
        matches!(self.link, Link::Postgres(_) | Link::PostgresTransaction(_))
    }

    /// The connection of a transaction with PostgreSQL, for statements of an application by sqlx. What they do is part of the
    /// transaction. None where it is another database, or no transaction.
    pub fn as_postgres(&mut self) -> Option<&mut PgConnection> {
        match &mut self.link {
            Link::PostgresTransaction(transaction) => Some(&mut **transaction),
            _ => None,
        }
    }

    /// The same with SQLite.
    pub fn as_sqlite(&mut self) -> Option<&mut SqliteConnection> {
        match &mut self.link {
            Link::SqliteTransaction(transaction) => Some(&mut **transaction),
            _ => None,
        }
    }

    /// From now on tells a cache what changes, and hooks what happens.
    pub(crate) fn telling(self, cache: &Arc<SessionCache>, hooks: Option<&Hooks>) -> Self {
        Self { cache: Some(Arc::clone(cache)), hooks: hooks.cloned(), ..self }
    }

    /// Where statements stand alone on an embedded database: a transaction, for several that are one statement with a server.
    /// It tells no cache and no hooks: it is for what changes nothing that is remembered.
    pub(crate) async fn begin_on_file(&self) -> Result<Option<Self>, StoreError> {
        let Link::Sqlite { writer, .. } = &self.link else { return Ok(None) };
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let link = begin_on(writer).await.map_err(|error| store_error("BEGIN", error))?;
        Ok(Some(Self::new(link, &self.round_trips)))
    }

    fn new(link: Link, round_trips: &Arc<AtomicU64>) -> Self {
        Self {
            link,
            round_trips: Arc::clone(round_trips),
            cache: None,
            changed: Vec::new(),
            hooks: None,
            events: Vec::new(),
            is_refused: false,
        }
    }

    pub(crate) fn is_transaction(&self) -> bool {
        matches!(self.link, Link::SqliteTransaction(_) | Link::PostgresTransaction(_))
    }

    pub(crate) fn hooks(&self) -> Option<&Hooks> {
        self.hooks.as_ref()
    }

    pub(crate) fn take_hooks(&mut self) -> Option<Hooks> {
        self.hooks.take()
    }

    /// Puts the hooks back, which are told of an event when the transaction is committed.
    pub(crate) fn note_event(&mut self, hooks: Hooks, event: AccountEvent) {
        self.hooks = Some(hooks);
        self.events.push(event);
    }

    /// Lets nothing of this transaction hold.
    pub(crate) fn refuse_commit(&mut self) {
        self.is_refused = true;
    }

    /// What a statement changes, to be told when that holds: at its end, or with the commit.
    fn untold(&mut self, changed: Changed) -> Untold {
        let changed = match self.link {
            Link::Sqlite { .. } | Link::Postgres(_) => vec![changed],
            Link::SqliteTransaction(_) | Link::PostgresTransaction(_) => {
                self.changed.push(changed);
                Vec::new()
            }
        };
        Untold { cache: self.cache.clone(), changed, engine: self.engine() }
    }

    fn engine(&self) -> Engine {
        match self.link {
            Link::Sqlite { .. } | Link::SqliteTransaction(_) => Engine::Sqlite,
            Link::Postgres(_) | Link::PostgresTransaction(_) => Engine::Postgres,
        }
    }

    /// Makes everything that was done in this transaction hold. Outside one there is nothing to do.
    pub async fn commit(self) -> Result<(), StoreError> {
        if self.is_refused {
            return Err(StoreError::new("COMMIT", RefusedByHook));
        }
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let engine = self.engine();
        let untold = Untold { cache: self.cache, changed: self.changed, engine };
        let committed = match self.link {
            Link::SqliteTransaction(transaction) => transaction.commit().await,
            Link::PostgresTransaction(transaction) => transaction.commit().await,
            Link::Sqlite { .. } | Link::Postgres(_) => Ok(()),
        };
        // Also after an error: the answer may have been lost, and not the commit.
        untold.tell();
        committed.map_err(|error| store_error("COMMIT", error))?;
        if let Some(hooks) = self.hooks
            && !self.events.is_empty()
        {
            tell_committed(hooks, self.events).await;
        }
        Ok(())
    }
}

/// Takes the write lock at once: a transaction that reads first and writes later would fail when another one wrote in between.
async fn begin_on(writer: &SqlitePool) -> Result<Link, sqlx::Error> {
    Ok(Link::SqliteTransaction(writer.begin_with("BEGIN IMMEDIATE").await?))
}

async fn connect_sqlite(options: &SqliteConnectOptions) -> Result<Pools, sqlx::Error> {
    let options = options
        .clone()
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // With less, a power cut could take back a refresh that was answered, and the browser's newer secret
        // would look like a thief's.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(SQLITE_BUSY_TIMEOUT)
        .create_if_missing(true);
    // The writer first: it makes the file a write-ahead-log database before anyone reads it.
    let writers = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&writers);
    let writer = SqlitePoolOptions::new()
        .after_connect(move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(()) })
        })
        .max_connections(SQLITE_WRITERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options.clone())
        .await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options.pragma("query_only", "ON"))
        .await?;
    Ok(Pools::Sqlite { readers, writer, writers })
}

fn postgres_pool() -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                use sqlx::Connection as _;
                Ok(meta.idle_for < TRIED_AFTER_REST || connection.ping().await.is_ok())
            })
        })
}
