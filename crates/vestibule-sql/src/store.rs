use std::sync::Arc;

use async_trait::async_trait;
use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use vestibule::SessionCache;
use vestibule::repository::{Repository, Store, StoreError, UnitOfWork};

use crate::database::{Connection, Database, Migrations};
use crate::hooks::{AccountHooks, Hooks};

/// The tables of accounts.
pub const MIGRATIONS: Migrations = Migrations {
    table: "vestibule_migrations",
    sqlite: || sqlx::migrate!("migrations/sqlite"),
    postgres: || sqlx::migrate!("migrations/postgres"),
};

/// Accounts kept in a [`Database`].
#[derive(Clone)]
pub struct SqlStore {
    database: Database,
    cache: Arc<SessionCache>,
    hooks: Option<Hooks>,
}

impl SqlStore {
    /// The store of a database whose schema is up to date.
    pub fn new(database: Database) -> Self {
        Self::telling(database, Arc::new(SessionCache::off()))
    }

    /// The same; it tells a cache what it changes.
    pub fn telling(database: Database, cache: Arc<SessionCache>) -> Self {
        Self { database, cache, hooks: None }
    }

    /// The same; it tells hooks what happens to accounts, in this order.
    #[must_use]
    pub fn with_hooks(self, hooks: Vec<Arc<dyn AccountHooks>>) -> Self {
        Self { hooks: (!hooks.is_empty()).then(|| hooks.into()), ..self }
    }
}

#[async_trait]
impl Store for SqlStore {
    fn alone(&self) -> Box<dyn Repository> {
        Box::new(self.database.alone().telling(&self.cache, self.hooks.as_ref()))
    }

    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(self.database.begin().await?.telling(&self.cache, self.hooks.as_ref())))
    }
}

#[async_trait]
impl UnitOfWork for Connection {
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        Self::commit(*self).await
    }
}

/// What is stored is not what a model takes. Says the table and the column, not the value.
#[derive(Debug, thiserror::Error)]
#[error("{table}.{column} holds what it must not: {problem}")]
pub(crate) struct BrokenRow {
    table: &'static str,
    column: &'static str,
    problem: String,
}

impl BrokenRow {
    pub(crate) fn new(table: &'static str, column: &'static str, problem: impl std::fmt::Display) -> Self {
        Self { table, column, problem: problem.to_string() }
    }
}

impl From<BrokenRow> for StoreError {
    fn from(broken: BrokenRow) -> Self {
        Self::new("a row in the database is broken", broken)
    }
}

/// The row of a `SELECT COUNT(*) AS count`.
#[derive(sqlx::FromRow)]
pub(crate) struct Count {
    pub count: i64,
}

/// A condition on users: letters of their address or of their name, given as the patterns of [`patterns_of`].
macro_rules! is_named {
    ($lower:literal, $typed:literal, $capitalised:literal, $capitals:literal) => {
        concat!(
            "(email LIKE ",
            $lower,
            " ESCAPE '!' OR lower(name) LIKE ",
            $lower,
            " ESCAPE '!' OR name LIKE ",
            $typed,
            " ESCAPE '!' OR name LIKE ",
            $capitalised,
            " ESCAPE '!' OR name LIKE ",
            $capitals,
            " ESCAPE '!')"
        )
    };
}
pub(crate) use is_named;

/// What somebody typed to find a user by, for [`is_named`]. SQLite, and PostgreSQL with the locale `C`, know the capitals of ASCII
/// alone. So a name is also compared with what was typed as it is, as a name is written, and in capitals: `émile` finds Émile and
/// ÉMILE.
pub(crate) fn patterns_of(words: &str) -> [String; 4] {
    let words = words.trim();
    [words.to_lowercase(), words.to_owned(), capitalised(words), words.to_uppercase()]
        .map(|spelling| containing(&spelling))
}

/// A pattern for `LIKE … ESCAPE '!'` that finds texts with these letters in them; nothing typed is a wildcard.
fn containing(words: &str) -> String {
    let literal = words.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{literal}%")
}

/// Words as those of a name are written: `jean-luc émile` as `Jean-Luc Émile`.
fn capitalised(words: &str) -> String {
    let mut is_start = true;
    let mut name = String::with_capacity(words.len());
    for letter in words.chars() {
        if is_start {
            name.extend(letter.to_uppercase());
        } else {
            name.extend(letter.to_lowercase());
        }
        is_start = !letter.is_alphanumeric();
    }
    name
}

/// Reads a day, as both databases write the beginning of a moment.
pub(crate) fn day(table: &'static str, column: &'static str, text: &str) -> Result<Date, BrokenRow> {
    const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
    Date::parse(text, DAY).map_err(|error| BrokenRow::new(table, column, error))
}

/// Reads 32 bytes.
pub(crate) fn bytes32(
    table: &'static str,
    column: &'static str,
    bytes: &[u8],
) -> Result<[u8; 32], BrokenRow> {
    bytes.try_into().map_err(|_| BrokenRow::new(table, column, format!("{} bytes, not 32", bytes.len())))
}

/// Reads the client columns, which have the same names in every table.
pub(crate) fn client(
    table: &'static str,
    ip: Option<&str>,
    user_agent: Option<&str>,
) -> Result<vestibule::models::Client, BrokenRow> {
    let ip = ip.map(str::parse).transpose().map_err(|error| BrokenRow::new(table, "ip", error))?;
    Ok(vestibule::models::Client::new(ip, user_agent))
}
