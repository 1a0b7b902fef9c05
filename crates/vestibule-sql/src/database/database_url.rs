use std::path::Path;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;

use super::Engine;

/// A checked `sqlite://…` or `postgres://…`. It may hold a password, so it is never printed in full.
#[derive(Clone)]
pub struct DatabaseUrl(pub(super) Target);

#[derive(Clone)]
pub(super) enum Target {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>, Box<url::Url>),
}

/// Why a text is not the address of a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Another kind of database, or none.
    #[error("it must begin with sqlite:// or postgres://")]
    Scheme,
    /// A database in memory: each connection would see another one.
    #[error("a database in memory keeps nothing; name a file, such as sqlite://data/vestibule.db")]
    InMemory,
    /// No name of a schema.
    #[error(
        "{0:?} is no name of a schema: it begins with a small letter and has at most 63 small letters, digits and _"
    )]
    Schema(String),
    /// A schema of a file.
    #[error("an embedded database has no schemas: give the accounts a file of their own")]
    SchemaOfFile,
    /// Something after the scheme cannot be read.
    #[error("it cannot be read: {0}")]
    Malformed(String),
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        let malformed = |error: sqlx::Error| DatabaseUrlError::Malformed(error.to_string());
        if text.starts_with("sqlite:") {
            if text.contains(":memory:") || text.contains("mode=memory") {
                return Err(DatabaseUrlError::InMemory);
            }
            let options = SqliteConnectOptions::from_str(text).map_err(malformed)?;
            if options.get_filename().as_os_str().is_empty() {
                return Err(DatabaseUrlError::Malformed("it names no file".into()));
            }
            return Ok(Self(Target::Sqlite(Box::new(options))));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(text).map_err(malformed)?;
            let url =
                url::Url::parse(text).map_err(|error| DatabaseUrlError::Malformed(error.to_string()))?;
            return Ok(Self(Target::Postgres(Box::new(options), Box::new(url))));
        }
        Err(DatabaseUrlError::Scheme)
    }
}

impl DatabaseUrl {
    /// The address of a file.
    pub fn of_file(path: &Path) -> Self {
        Self(Target::Sqlite(Box::new(SqliteConnectOptions::new().filename(path))))
    }

    /// Which database it leads to.
    pub fn engine(&self) -> Engine {
        match &self.0 {
            Target::Sqlite(_) => Engine::Sqlite,
            Target::Postgres(..) => Engine::Postgres,
        }
    }

    /// The same database, in which the tables are in a schema of their own. [`Database::make_schema`](super::Database::make_schema) makes it.
    ///
    /// It is the one place where tables are looked for: those of others are named with theirs, as in `public.orders`. The address is
    /// then as if it ended in `?options[search_path]=SCHEMA`.
    pub fn in_schema(self, schema: &str) -> Result<Self, DatabaseUrlError> {
        let is_letter =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        let is_name = schema.starts_with(|first: char| first.is_ascii_lowercase())
            && !schema.starts_with("pg_")
            && schema.len() <= 63
            && schema.chars().all(is_letter);
        match self.0 {
            _ if !is_name => Err(DatabaseUrlError::Schema(schema.to_owned())),
            Target::Sqlite(_) => Err(DatabaseUrlError::SchemaOfFile),
            Target::Postgres(options, mut url) => {
                url.query_pairs_mut().append_pair("options[search_path]", schema);
                Ok(Self(Target::Postgres(Box::new(options.options([("search_path", schema)])), url)))
            }
        }
    }

    /// The file of an embedded database.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Target::Sqlite(options) => Some(options.get_filename()),
            Target::Postgres(..) => None,
        }
    }

    /// The host that is spoken to over a network without knowing for certain that it is the one: whoever is between could read
    /// and change everything. None where the connection is verified, or goes through a socket of this machine or to a file.
    pub fn unverified_host(&self) -> Option<&str> {
        let Target::Postgres(options, _) = &self.0 else { return None };
        let is_verified = matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        let is_socket = options.get_socket().is_some() || options.get_host().starts_with('/');
        (!is_verified && !is_socket).then(|| options.get_host())
    }
}

impl std::fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Target::Sqlite(options) => write!(f, "sqlite://{}", options.get_filename().display()),
            Target::Postgres(options, _) => {
                let database = options.get_database().unwrap_or(options.get_username());
                write!(f, "postgres://{}:{}/{database}", options.get_host(), options.get_port())
            }
        }
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_url_is_not_printed() {
        let url = DatabaseUrl::from_str("postgres://ann:hunter2@db.example.com:5433/accounts").unwrap();
        assert_eq!(format!("{url} {url:?}").matches("hunter2").count(), 0);
        assert_eq!(url.to_string(), "postgres://db.example.com:5433/accounts");
    }

    #[test]
    fn other_databases_and_memory_are_refused() {
        for (text, expected) in [
            ("mysql://localhost/accounts", DatabaseUrlError::Scheme),
            ("", DatabaseUrlError::Scheme),
            ("sqlite::memory:", DatabaseUrlError::InMemory),
            ("sqlite://accounts.db?mode=memory", DatabaseUrlError::InMemory),
        ] {
            assert_eq!(DatabaseUrl::from_str(text).unwrap_err(), expected, "{text}");
        }
        assert!(matches!(DatabaseUrl::from_str("sqlite://"), Err(DatabaseUrlError::Malformed(_))));
    }

    #[test]
    fn a_relative_and_an_absolute_file_are_told_apart() {
        let file = |text: &str| DatabaseUrl::from_str(text).unwrap().file().unwrap().to_owned();
        assert_eq!(file("sqlite://data/vestibule.db"), Path::new("data/vestibule.db"));
        assert_eq!(file("sqlite:///srv/vestibule.db"), Path::new("/srv/vestibule.db"));
    }
}
