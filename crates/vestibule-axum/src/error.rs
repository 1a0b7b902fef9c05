use std::fmt;
use std::path::PathBuf;

use vestibule::OpenError;
use vestibule::repository::StoreError;
use vestibule_house::with_causes;
use vestibule_sql::{ConnectError, MigrateError};
use vestibule_web::mails::TemplateError;

/// Why accounts could not be opened. It is told in words for whoever starts the application, with its causes and the way out: also by
/// `Debug`, which is what `main` writes of an error that it returns.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Something that the builder was told cannot be taken.
    #[error("{what}: {problem}")]
    Setting {
        /// The method of the builder.
        what: &'static str,
        /// What is wrong, and the way out.
        problem: String,
    },
    /// The database cannot be opened.
    #[error("the database of the accounts cannot be opened")]
    Connect(#[from] ConnectError),
    /// Tables of our names are there, and they are somebody else's. Nothing was changed.
    #[error(
        "{0}. Give the accounts a place of their own: in PostgreSQL a schema (`.schema(\"accounts\")`), with SQLite a file \
         (`.database_url(\"sqlite://data/accounts.db\")`)"
    )]
    Taken(MigrateError),
    /// The tables cannot be made or brought up to date.
    #[error(transparent)]
    Migrate(MigrateError),
    /// The tables are not those of this release, and `.migrate(false)` forbids to change them.
    #[error(
        "the database's schema is not the expected one: {0}. Migrate it before the start, or leave `.migrate(false)` away"
    )]
    Schema(String),
    /// The secret key of development cannot be kept.
    #[error("the secret key in {} cannot be kept. Make its folder writable, or set one with `.secret_key(…)`", .path.display())]
    SecretFile {
        /// Where it would be.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The texts of mails cannot be read.
    #[error("the texts of mails cannot be used")]
    MailTemplates(#[from] TemplateError),
    /// The accounts in the database cannot be opened, as with another secret key than theirs.
    #[error("the accounts cannot be opened: start with the secret key that the database was used with")]
    Accounts(#[from] OpenError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<MigrateError> for BuildError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Taken(_) => Self::Taken(error),
            error => Self::Migrate(error),
        }
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_causes(self))
    }
}
