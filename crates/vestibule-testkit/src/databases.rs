use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;
use vestibule::ports::{OsRandom, Random};
use vestibule_sql::{Database, DatabaseUrl, MIGRATIONS};

/// Names the PostgreSQL server on which tests make their databases.
const SERVER_VARIABLE: &str = "VESTIBULE_TEST_POSTGRES_URL";

/// On which database a test runs. Every fact about the store holds on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file of its own in a temporary folder.
    Sqlite,
    /// A database of its own on the server that `VESTIBULE_TEST_POSTGRES_URL` names.
    Postgres,
}

/// A fresh database. Its clones are the same database.
#[derive(Clone)]
pub struct TestDatabase {
    url: String,
    // Removed with the last clone.
    folder: Option<Arc<TempDir>>,
}

impl TestDatabase {
    /// An empty database, without tables.
    ///
    /// # Panics
    /// Where there is no server for PostgreSQL: a test that cannot run must not pass for one that did.
    pub async fn empty(kind: DatabaseKind) -> Self {
        match kind {
            DatabaseKind::Sqlite => {
                let folder = tempfile::tempdir().expect("the system gives a temporary folder");
                let file = folder.path().join("data").join("test.db");
                Self { url: format!("sqlite://{}", file.display()), folder: Some(Arc::new(folder)) }
            }
            DatabaseKind::Postgres => Self { url: create_on_server().await, folder: None },
        }
    }

    /// A database with the tables of accounts.
    pub async fn create(kind: DatabaseKind) -> Self {
        let database = Self::empty(kind).await;
        let connected = database.connect().await;
        connected.migrate(&MIGRATIONS).await.expect("the tables of accounts can be made");
        connected.close().await;
        database
    }

    /// Opens it, as one more server would.
    pub async fn connect(&self) -> Database {
        Database::connect(&self.url()).await.expect("a test's database can be opened")
    }

    /// Its address.
    pub fn url(&self) -> DatabaseUrl {
        self.url.parse().expect("a test's database has a good address")
    }

    /// Its address as text, for the settings of a real server.
    pub fn url_text(&self) -> &str {
        &self.url
    }

    /// Every row of every table as text, bytes in hexadecimal.
    pub async fn dump(&self) -> String {
        match &self.folder {
            Some(_) => dump_sqlite(&self.url).await,
            None => dump_postgres(&self.url).await,
        }
    }

    /// Every column of every table: the table's name and its own.
    pub async fn columns(&self) -> Vec<(String, String)> {
        let columns = if self.folder.is_some() {
            let mut connection =
                SqliteConnection::connect(&self.url).await.expect("a test's database can be opened");
            sqlx::query_as(
                "SELECT tables.name, columns.name
                 FROM sqlite_schema AS tables
                 JOIN pragma_table_info(tables.name) AS columns
                 WHERE tables.type = 'table'",
            )
            .fetch_all(&mut connection)
            .await
        } else {
            let mut connection =
                PgConnection::connect(&self.url).await.expect("a test's database can be opened");
            sqlx::query_as(
                "SELECT table_name::text, column_name::text
                 FROM information_schema.columns
                 WHERE table_schema = 'public'",
            )
            .fetch_all(&mut connection)
            .await
        };
        columns.expect("the columns can be listed")
    }

    /// The folder of an embedded database's file.
    pub fn folder(&self) -> Option<std::path::PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join("data"))
    }
}

async fn create_on_server() -> String {
    #[expect(clippy::disallowed_methods, reason = "tests are told their server by the task that starts it")]
    let server = std::env::var(SERVER_VARIABLE).unwrap_or_else(|_| {
        panic!(
            "there is no PostgreSQL server for this test. Run `cargo xtask test`, which starts one, or set \
             {SERVER_VARIABLE} to a throw-away server such as postgres://postgres@127.0.0.1:5432/postgres"
        )
    });
    let id: [u8; 16] = (&OsRandom as &dyn Random).bytes();
    let name = format!("vestibule_test_{}", Uuid::from_bytes(id).simple());
    let mut connection =
        PgConnection::connect(&server).await.expect("the PostgreSQL server of the tests can be reached");
    // The name is ours: letters, digits and underscores.
    connection
        .execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await
        .expect("the server of the tests makes databases");
    connection.close().await.expect("a connection can be closed");
    let (base, _) = server.rsplit_once('/').expect("the server's address names a database");
    format!("{base}/{name}")
}

async fn dump_postgres(url: &str) -> String {
    let mut connection = PgConnection::connect(url).await.expect("a test's database can be opened");
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    )
    .fetch_all(&mut connection)
    .await
    .expect("the tables can be listed");
    let mut dump = String::new();
    for table in tables {
        let rows: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT rows::text FROM \"{table}\" AS rows")))
                .fetch_all(&mut connection)
                .await
                .expect("a table can be read");
        dump += &table;
        dump += "\n";
        dump += &rows.join("\n");
        dump += "\n";
    }
    dump
}

async fn dump_sqlite(url: &str) -> String {
    let mut connection = SqliteConnection::connect(url).await.expect("a test's database can be opened");
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(&mut connection)
        .await
        .expect("the tables can be listed");
    let mut dump = String::new();
    for table in tables {
        let columns: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')")))
                .fetch_all(&mut connection)
                .await
                .expect("the columns can be listed");
        let texts: Vec<String> = columns
            .iter()
            .map(|name| {
                format!("coalesce(CASE typeof(\"{name}\") WHEN 'blob' THEN hex(\"{name}\") ELSE \"{name}\" END, '')")
            })
            .collect();
        let sql = format!("SELECT {} FROM \"{table}\"", texts.join(" || ',' || "));
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut connection)
            .await
            .expect("a table can be read");
        dump += &table;
        dump += "\n";
        dump += &rows.join("\n");
        dump += "\n";
    }
    dump
}
