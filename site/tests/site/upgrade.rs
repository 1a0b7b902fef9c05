//! From each release whose schema is kept in `tests/fixtures` to this one, and back.

use std::collections::BTreeMap;

use rstest::rstest;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use vestibule_sql::{MIGRATIONS, SchemaState};
use vestibule_testkit::{DatabaseKind, TestDatabase};

/// What is kept of a release: its schema on each database, rows for all of its tables, and its statements.
struct Release {
    sqlite: &'static str,
    postgres: &'static str,
    rows: &'static str,
    statements: &'static str,
}

const FIRST: Release = Release {
    sqlite: include_str!("../fixtures/0.1.0/sqlite.sql"),
    postgres: include_str!("../fixtures/0.1.0/postgres.sql"),
    rows: include_str!("../fixtures/0.1.0/rows.sql"),
    statements: include_str!("../fixtures/0.1.0/statements.sql"),
};

impl Release {
    fn schema(&self, kind: DatabaseKind) -> &'static str {
        match kind {
            DatabaseKind::Sqlite => self.sqlite,
            DatabaseKind::Postgres => self.postgres,
        }
    }

    /// The statements that write the rows: bytes are written otherwise in PostgreSQL.
    fn rows(&self, kind: DatabaseKind) -> String {
        match kind {
            DatabaseKind::Sqlite => self.rows.to_owned(),
            DatabaseKind::Postgres => self.rows.replace("x'", "'\\x"),
        }
    }

    /// The tables and columns that it writes.
    fn columns(&self) -> Vec<(String, Vec<String>)> {
        let inserts = self.rows.lines().filter_map(|line| line.strip_prefix("INSERT INTO "));
        inserts
            .map(|insert| {
                let (table, rest) = insert.split_once(" (").unwrap();
                let columns = rest.split_once(')').unwrap().0.split(", ").map(str::to_owned);
                (table.to_owned(), columns.collect())
            })
            .collect()
    }
}

/// A connection of the test's own.
enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Link {
    async fn open(kind: DatabaseKind, database: &TestDatabase) -> Self {
        // Its file is made with it.
        database.connect().await.close().await;
        match kind {
            DatabaseKind::Sqlite => {
                Self::Sqlite(SqliteConnection::connect(database.url_text()).await.unwrap())
            }
            DatabaseKind::Postgres => {
                Self::Postgres(PgConnection::connect(database.url_text()).await.unwrap())
            }
        }
    }

    async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => sql.execute(connection).await.map(drop),
            Self::Postgres(connection) => sql.execute(connection).await.map(drop),
        }
    }

    /// The values of each column as texts, in order.
    async fn values(&mut self, release: &Release) -> BTreeMap<String, Vec<Option<String>>> {
        let mut all = BTreeMap::new();
        for (table, columns) in release.columns() {
            for column in columns {
                let mut values: Vec<Option<String>> = match self {
                    Self::Sqlite(connection) => {
                        let sql = AssertSqlSafe(format!("SELECT quote({column}) FROM {table}"));
                        sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
                    }
                    Self::Postgres(connection) => {
                        let sql = AssertSqlSafe(format!("SELECT {column}::text FROM {table}"));
                        sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
                    }
                };
                values.sort();
                all.insert(format!("{table}.{column}"), values);
            }
        }
        all
    }

    /// Whether a statement can be carried out on the tables that there are.
    async fn prepare(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(_) => self.run(&format!("EXPLAIN {sql}")).await,
            Self::Postgres(_) => {
                // The site tells the types of what it binds; here nobody does. Tables and columns were found by then.
                const PARAMETERS_OF_ANY_TYPE: [&str; 2] = ["42P08", "42P18"];
                let outcome = self.run(&format!("PREPARE one AS {sql}")).await;
                drop(self.run("DEALLOCATE one").await);
                let code = outcome.as_ref().err().and_then(|error| error.as_database_error()?.code());
                let is_untyped = code.is_some_and(|code| PARAMETERS_OF_ANY_TYPE.contains(&&*code));
                if is_untyped { Ok(()) } else { outcome }
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn every_row_of_the_first_release_is_there_after_the_upgrade(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::empty(kind).await;
    let mut link = Link::open(kind, &test).await;
    link.run(FIRST.schema(kind)).await.unwrap();
    link.run(&FIRST.rows(kind)).await.unwrap();
    let before = link.values(&FIRST).await;
    assert!(before.len() > 80 && before.values().all(|values| !values.is_empty()));

    let database = test.connect().await;
    for migrations in [MIGRATIONS, site::MIGRATIONS] {
        let state = database.schema_state(&migrations).await.unwrap();
        assert!(matches!(state, SchemaState::Expected | SchemaState::Missing(_)), "{state:?}");
        database.migrate(&migrations).await.unwrap();
        assert_eq!(database.schema_state(&migrations).await.unwrap(), SchemaState::Expected);
    }
    assert_eq!(link.values(&FIRST).await, before);
    // All tables of that release had rows: a column that is added to them has something to be added to.
    let tables: Vec<String> = FIRST.columns().into_iter().map(|(table, _)| table).collect();
    for line in FIRST.sqlite.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")) {
        let table = line.split([' ', '(']).next().unwrap().trim_matches('"').to_owned();
        assert!(tables.contains(&table) || table.ends_with("_migrations"), "{table}");
    }
}

/// Servers of that release run on while others are new, and are what one goes back to.
#[rstest]
#[tokio::test]
async fn what_the_first_release_asks_and_writes_is_good_on_the_newest_schema(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    database.migrate(&site::MIGRATIONS).await.unwrap();
    let mut link = Link::open(kind, &test).await;
    link.run(&FIRST.rows(kind)).await.unwrap();
    let statements: Vec<&str> =
        FIRST.statements.split(";\n").map(str::trim).filter(|sql| !sql.is_empty()).collect();
    assert!(statements.len() > 60, "{}", statements.len());
    for sql in statements {
        link.prepare(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }
    assert!(link.prepare("SELECT gone FROM users").await.is_err(), "a column that is not there is noticed");
}

/// One for all commands: a backup is restored with the key that it was made with.
static SECRET_KEY: std::sync::LazyLock<String> =
    std::sync::LazyLock::new(|| vestibule_testkit::secret_key().to_base64().to_string());

/// The site's own command, on a database.
fn command(folder: &std::path::Path, arguments: &[&str]) -> serde_json::Value {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_site"));
    command
        .current_dir(folder)
        .env("VESTIBULE_DATABASE_URL", "sqlite://site.db")
        .env("VESTIBULE_SECRET_KEY", SECRET_KEY.as_str())
        .args(arguments)
        .arg("--json");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// From the first release on SQLite, by a backup of then, to this one on PostgreSQL, with the tables of the site.
#[tokio::test]
async fn a_backup_of_the_first_release_is_restored_brought_up_to_date_and_moved() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = folder.join("site.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut old = Link::Sqlite(SqliteConnection::connect_with(&options).await.unwrap());
    old.run(FIRST.sqlite).await.unwrap();
    old.run(FIRST.rows).await.unwrap();
    drop(old);
    #[cfg(unix)]
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let made = command(folder, &["backup", "old.backup"]);
    assert!(made["tables"].as_u64() >= Some(15), "{made}");
    std::fs::remove_file(&file).unwrap();
    command(folder, &["restore", "--check", "old.backup"]);
    assert!(!file.exists(), "a rehearsal makes nothing");
    assert_eq!(command(folder, &["restore", "old.backup"])["rows"], made["rows"]);
    assert_eq!(command(folder, &["migrate", "--check"])["missing"], serde_json::json!([]));

    let target = TestDatabase::empty(DatabaseKind::Postgres).await;
    let moved = command(folder, &["move", "--to", target.url_text()]);
    let tables = moved["tables"].as_array().unwrap();
    let notes = tables.iter().find(|table| table["name"] == "notes").unwrap();
    assert_eq!(notes["rows"], 1);
    let mut new = Link::open(DatabaseKind::Postgres, &target).await;
    let there = new.values(&FIRST).await;
    assert_eq!(there["notes.body"], [Some("With words, and 'quotes'.".to_owned())]);
    let moment = "2026-05-01 12:00:00.123456+00";
    assert!(there["users.created_at"].contains(&Some(moment.to_owned())), "{:?}", there["users.created_at"]);
    assert_eq!(there["signing_keys.sealed_private_key"], [Some("\\x0505".to_owned())]);
    assert_eq!(there["users.is_disabled"], [Some("false".to_owned()), Some("true".to_owned())]);
}
