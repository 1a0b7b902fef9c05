use std::borrow::Cow;
use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use super::database_url::Target;
use super::tables::{postgres_schema, postgres_tables, quoted, sqlite_tables};
use super::{DatabaseUrl, EmbeddedFile, SQLITE_BUSY_TIMEOUT};

/// Rows go in batches of so many, or of so many bytes.
const BATCH_ROWS: usize = 500;
const BATCH_BYTES: usize = 1024 * 1024;

/// A table that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedTable {
    /// Its name.
    pub name: String,
    /// How many rows it has, there as here.
    pub rows: u64,
    /// What comes out, there as here, when all rows are added up.
    pub digest: String,
}

/// Why rows were not moved. Nothing of them is in the target then.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The target is no PostgreSQL server.
    #[error("rows are moved to PostgreSQL")]
    NoServer,
    /// There is something in the target.
    #[error("there are rows in the target: {}", .0.join(", "))]
    NotEmpty(Vec<String>),
    /// Here and there are not the same tables and columns.
    #[error("the two databases have not the same tables: {0}")]
    Different(String),
    /// What arrived is not what was sent.
    #[error("the table {table} arrived otherwise than it was sent ({sent} rows were, {arrived} are there)")]
    Altered {
        /// The table.
        table: String,
        /// Rows here.
        sent: u64,
        /// Rows there.
        arrived: u64,
    },
    /// One of the two databases failed, or refused a row.
    #[error("{doing}")]
    Database {
        /// What was being done.
        doing: String,
        /// Why.
        source: sqlx::Error,
    },
}

/// Copies every row of an embedded database to PostgreSQL, in one transaction, and compares what arrived with what was sent
/// before that commits. The target has the same tables and no row. `left_out` are tables that each side keeps for itself: those
/// that note what was migrated. What refers to what, and what triggers do, waits until all rows are there.
///
/// It is general over the tables: what a column holds is told by its type in PostgreSQL.
pub async fn move_rows(
    source: &EmbeddedFile,
    target: &DatabaseUrl,
    left_out: &[&str],
    mut tell: impl FnMut(&MovedTable),
) -> Result<Vec<MovedTable>, MoveError> {
    let Target::Postgres(options, _) = &target.0 else { return Err(MoveError::NoServer) };
    let mut source = open_source(source).await.map_err(while_("opening the embedded database"))?;
    let mut target = open_target(options).await.map_err(while_("opening the target"))?;
    let tables = matching_tables(&mut source, &mut target, left_out).await?;
    lock_and_expect_empty(&mut target, &tables).await?;
    let references =
        set_references_aside(&mut target, &tables).await.map_err(while_("setting references aside"))?;

    let mut moved = Vec::new();
    for table in &tables {
        let sent = copy(&mut source, &mut target, table)
            .await
            .map_err(while_(&format!("copying the table {}", table.name)))?;
        let arrived = read_back(&mut target, table)
            .await
            .map_err(while_(&format!("reading the table {} back", table.name)))?;
        if sent != arrived {
            return Err(MoveError::Altered {
                table: table.name.clone(),
                sent: sent.rows,
                arrived: arrived.rows,
            });
        }
        let done = MovedTable { name: table.name.clone(), rows: sent.rows, digest: sent.in_hex() };
        tell(&done);
        moved.push(done);
    }
    set_counters(&mut target, &tables).await.map_err(while_("setting counters"))?;
    bring_references_back(&mut target, &tables, &references)
        .await
        .map_err(while_("checking what refers to what"))?;
    target.execute("COMMIT").await.map_err(while_("committing"))?;
    drop(target.close().await);
    drop(source.close().await);
    Ok(moved)
}

fn while_(doing: &str) -> impl FnOnce(sqlx::Error) -> MoveError {
    let doing = format!("{doing} failed");
    move |source| MoveError::Database { doing, source }
}

/// A table that both have.
struct Table {
    name: String,
    /// As PostgreSQL is told it, with its schema.
    place: String,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    /// Its type in PostgreSQL.
    kind: String,
    meaning: Meaning,
}

/// How a value becomes a text that is the same for both databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Bytes,
    Truth,
    Moment,
    Json,
    Double,
    Single,
    Id,
    Text,
}

impl Meaning {
    fn of(kind: &str) -> Self {
        match kind {
            "bytea" => Self::Bytes,
            "boolean" => Self::Truth,
            "json" | "jsonb" => Self::Json,
            "double precision" => Self::Double,
            "real" => Self::Single,
            "uuid" => Self::Id,
            _ if kind.starts_with("timestamp") => Self::Moment,
            _ => Self::Text,
        }
    }

    /// The same text for the same value, however either database writes it.
    fn plain(self, text: &str) -> Cow<'_, str> {
        let plain = match self {
            Self::Json => plain_json(text),
            Self::Double => text.parse().ok().map(|number: f64| number.to_string()),
            Self::Single => text.parse().ok().map(|number: f32| number.to_string()),
            Self::Id => Some(text.to_ascii_lowercase()),
            Self::Moment => plain_moment(text),
            Self::Bytes | Self::Truth | Self::Text => None,
        };
        plain.map_or(Cow::Borrowed(text), Cow::Owned)
    }
}

impl Column {
    fn in_sqlite(&self) -> String {
        let name = quoted(&self.name);
        match self.meaning {
            Meaning::Bytes => format!("CASE WHEN {name} IS NOT NULL THEN lower(hex({name})) END"),
            // As text SQLite would round it.
            Meaning::Double | Meaning::Single => format!("CAST({name} AS REAL)"),
            _ => format!("CAST({name} AS TEXT)"),
        }
    }

    fn in_postgres(&self) -> String {
        let name = quoted(&self.name);
        match self.meaning {
            Meaning::Bytes => format!("encode({name}, 'hex')"),
            Meaning::Truth => format!("{name}::int::text"),
            Meaning::Moment => {
                let utc = if self.kind.ends_with("with time zone") { " AT TIME ZONE 'UTC'" } else { "" };
                format!("to_char({name}{utc}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
            }
            _ => format!("{name}::text"),
        }
    }

    fn as_sent(&self) -> String {
        let name = quoted(&self.name);
        match self.meaning {
            Meaning::Bytes => format!("decode({name}, 'hex')"),
            _ => format!("{name}::{}", self.kind),
        }
    }
}

const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

fn plain_moment(text: &str) -> Option<String> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    moment.to_offset(UtcOffset::UTC).format(MOMENT).ok()
}

/// Keys in order, and numbers by their value: `jsonb` keeps neither the order nor the way in which a number was written.
fn plain_json(text: &str) -> Option<String> {
    fn write(value: &serde_json::Value, plain: &mut String) {
        match value {
            serde_json::Value::Number(number) => plain.push_str(&number.as_f64().unwrap_or(0.0).to_string()),
            serde_json::Value::Array(all) => {
                plain.push('[');
                for value in all {
                    write(value, plain);
                    plain.push(',');
                }
                plain.push(']');
            }
            serde_json::Value::Object(all) => {
                plain.push('{');
                for (name, value) in all.iter().collect::<BTreeMap<_, _>>() {
                    write(&serde_json::Value::String(name.clone()), plain);
                    plain.push(':');
                    write(value, plain);
                    plain.push(',');
                }
                plain.push('}');
            }
            other => *plain += &other.to_string(),
        }
    }
    let mut plain = String::new();
    write(&serde_json::from_str(text).ok()?, &mut plain);
    Some(plain)
}

/// The rows of a table, added up: in whatever order they come, the same rows give the same sum.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    words: [u64; 4],
}

impl Sum {
    fn add(&mut self, table: &Table, row: &[Option<String>]) {
        let mut hash = Sha256::new();
        for (column, value) in table.columns.iter().zip(row) {
            match value.as_ref().map(|text| column.meaning.plain(text)) {
                None => hash.update([0]),
                Some(text) => {
                    hash.update([1]);
                    hash.update(text.len().to_be_bytes());
                    hash.update(text.as_bytes());
                }
            }
        }
        let hash = hash.finalize();
        for (word, bytes) in self.words.iter_mut().zip(hash.chunks_exact(8)) {
            let bytes = bytes.try_into().unwrap_or_default();
            *word = word.wrapping_add(u64::from_be_bytes(bytes));
        }
        self.rows += 1;
    }

    fn in_hex(&self) -> String {
        self.words.iter().fold(String::new(), |text, word| text + &format!("{word:016x}"))
    }
}

async fn open_source(file: &EmbeddedFile) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(file.path())
        .busy_timeout(SQLITE_BUSY_TIMEOUT)
        .create_if_missing(false)
        .pragma("query_only", "ON");
    let mut source = SqliteConnection::connect_with(&options).await?;
    source.execute("BEGIN").await?;
    Ok(source)
}

async fn open_target(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let options = options.clone().application_name("vestibule command");
    let mut target = PgConnection::connect_with(&options).await?;
    target.execute("BEGIN").await?;
    // How PostgreSQL writes dates and numbers as text.
    target.execute("SET LOCAL datestyle = 'ISO, YMD'").await?;
    target.execute("SET LOCAL extra_float_digits = 1").await?;
    Ok(target)
}

/// The tables and columns of both, which have to be the same.
async fn matching_tables(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    left_out: &[&str],
) -> Result<Vec<Table>, MoveError> {
    let reading = || while_("reading which tables there are");
    let is_moved = |name: &String| !left_out.contains(&name.as_str());
    let schema = postgres_schema(target).await.map_err(reading())?;
    let mut ours = sqlite_tables(source).await.map_err(reading())?;
    let mut theirs = postgres_tables(target, &schema).await.map_err(reading())?;
    ours.retain(is_moved);
    theirs.retain(is_moved);
    refuse_difference("tables", &ours, &theirs)?;
    let mut tables = Vec::new();
    for name in ours {
        let mut ours: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_xinfo($1) WHERE hidden = 0 ORDER BY name")
                .bind(&name)
                .fetch_all(&mut *source)
                .await
                .map_err(reading())?;
        ours.sort();
        let sql = "SELECT attname::text, format_type(atttypid, atttypmod)
                   FROM pg_attribute
                   WHERE attrelid = format('%I.%I', $1, $2)::regclass
                     AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                   ORDER BY attname::text COLLATE \"C\"";
        let theirs: Vec<(String, String)> =
            sqlx::query_as(sql).bind(&schema).bind(&name).fetch_all(&mut *target).await.map_err(reading())?;
        let names: Vec<String> = theirs.iter().map(|(column, _)| column.clone()).collect();
        refuse_difference(&format!("columns of {name}"), &ours, &names)?;
        let columns = theirs.into_iter().map(|(name, kind)| {
            let meaning = Meaning::of(&kind);
            Column { name, kind, meaning }
        });
        let place = format!("{}.{}", quoted(&schema), quoted(&name));
        tables.push(Table { place, columns: columns.collect(), name });
    }
    Ok(tables)
}

fn refuse_difference(what: &str, ours: &[String], theirs: &[String]) -> Result<(), MoveError> {
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|name| !those.contains(name)).cloned().collect::<Vec<_>>().join(", ")
    };
    let (here, there) = (only(ours, theirs), only(theirs, ours));
    if here.is_empty() && there.is_empty() {
        return Ok(());
    }
    let or_none = |names: String| if names.is_empty() { "none".to_owned() } else { names };
    Err(MoveError::Different(format!("{what} only here: {}; only there: {}", or_none(here), or_none(there))))
}

async fn lock_and_expect_empty(target: &mut PgConnection, tables: &[Table]) -> Result<(), MoveError> {
    let looking = || while_("looking whether the target is empty");
    let mut full = Vec::new();
    for table in tables {
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", table.place);
        target.execute(AssertSqlSafe(lock)).await.map_err(looking())?;
        let sql = format!("SELECT EXISTS (SELECT FROM {})", table.place);
        let has_rows: bool =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *target).await.map_err(looking())?;
        if has_rows {
            full.push(table.name.clone());
        }
    }
    if full.is_empty() { Ok(()) } else { Err(MoveError::NotEmpty(full)) }
}

/// Takes away what asks that a row refers to is there already, and what would do something for each row. Tells how to bring the
/// references back.
async fn set_references_aside(
    target: &mut PgConnection,
    tables: &[Table],
) -> Result<Vec<String>, sqlx::Error> {
    let mut back = Vec::new();
    for table in tables {
        let sql = "SELECT conname::text, pg_get_constraintdef(oid)
                   FROM pg_constraint
                   WHERE contype = 'f' AND conrelid = $1::regclass";
        let references: Vec<(String, String)> =
            sqlx::query_as(sql).bind(&table.place).fetch_all(&mut *target).await?;
        for (name, definition) in references {
            let name = quoted(&name);
            let drop = format!("ALTER TABLE {} DROP CONSTRAINT {name}", table.place);
            target.execute(AssertSqlSafe(drop)).await?;
            back.push(format!("ALTER TABLE {} ADD CONSTRAINT {name} {definition}", table.place));
        }
        let quiet = format!("ALTER TABLE {} DISABLE TRIGGER USER", table.place);
        target.execute(AssertSqlSafe(quiet)).await?;
    }
    Ok(back)
}

async fn bring_references_back(
    target: &mut PgConnection,
    tables: &[Table],
    references: &[String],
) -> Result<(), sqlx::Error> {
    for sql in references {
        target.execute(AssertSqlSafe(sql.clone())).await?;
    }
    for table in tables {
        let sql = format!("ALTER TABLE {} ENABLE TRIGGER USER", table.place);
        target.execute(AssertSqlSafe(sql)).await?;
        target.execute(AssertSqlSafe(format!("ANALYZE {}", table.place))).await?;
    }
    Ok(())
}

/// Numbers that PostgreSQL gives by itself go on after those that are there.
async fn set_counters(target: &mut PgConnection, tables: &[Table]) -> Result<(), sqlx::Error> {
    for table in tables {
        for column in &table.columns {
            let sql = "SELECT pg_get_serial_sequence($1, $2)";
            let counter: Option<String> =
                sqlx::query_scalar(sql).bind(&table.place).bind(&column.name).fetch_one(&mut *target).await?;
            if let Some(counter) = counter {
                let name = quoted(&column.name);
                let sql = format!(
                    "SELECT setval($1::regclass, coalesce(max({name}), 0) + 1, false) FROM {}",
                    table.place
                );
                sqlx::query(AssertSqlSafe(sql)).bind(counter).execute(&mut *target).await?;
            }
        }
    }
    Ok(())
}

async fn copy(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    table: &Table,
) -> Result<Sum, sqlx::Error> {
    let mut sum = Sum::default();
    if table.columns.is_empty() {
        return Ok(sum);
    }
    let values: Vec<String> = table.columns.iter().map(Column::in_sqlite).collect();
    let sql = format!("SELECT {} FROM {}", values.join(", "), quoted(&table.name));
    let insert = insert_of(table);
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(source);
    let mut batch = Batch::of(table);
    while let Some(row) = rows.try_next().await? {
        let row = texts_of_sqlite(table, &row)?;
        sum.add(table, &row);
        batch.add(row);
        if batch.is_full() {
            batch.send(target, &insert).await?;
        }
    }
    batch.send(target, &insert).await?;
    Ok(sum)
}

async fn read_back(target: &mut PgConnection, table: &Table) -> Result<Sum, sqlx::Error> {
    let mut sum = Sum::default();
    if table.columns.is_empty() {
        return Ok(sum);
    }
    let values: Vec<String> = table.columns.iter().map(Column::in_postgres).collect();
    let sql = format!("SELECT {} FROM {}", values.join(", "), table.place);
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(target);
    while let Some(row) = rows.try_next().await? {
        let row: Result<Vec<_>, _> = (0..table.columns.len()).map(|column| row.try_get(column)).collect();
        sum.add(table, &row?);
    }
    Ok(sum)
}

fn texts_of_sqlite(table: &Table, row: &SqliteRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    let columns = table.columns.iter().enumerate();
    columns
        .map(|(at, column)| match column.meaning {
            Meaning::Double | Meaning::Single => {
                Ok(row.try_get::<Option<f64>, _>(at)?.map(|number| number.to_string()))
            }
            _ => row.try_get(at),
        })
        .collect()
}

fn insert_of(table: &Table) -> String {
    let names: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
    let values: Vec<String> = table.columns.iter().map(Column::as_sent).collect();
    let arrays: Vec<String> = (1..=table.columns.len()).map(|number| format!("${number}::text[]")).collect();
    format!(
        "INSERT INTO {} ({names}) OVERRIDING SYSTEM VALUE SELECT {} FROM unnest({}) AS sent ({names})",
        table.place,
        values.join(", "),
        arrays.join(", "),
        names = names.join(", "),
    )
}

/// Rows on their way, column by column.
struct Batch {
    columns: Vec<Vec<Option<String>>>,
    bytes: usize,
}

impl Batch {
    fn of(table: &Table) -> Self {
        Self { columns: table.columns.iter().map(|_| Vec::new()).collect(), bytes: 0 }
    }

    fn add(&mut self, row: Vec<Option<String>>) {
        for (column, value) in self.columns.iter_mut().zip(row) {
            self.bytes += value.as_ref().map_or(0, String::len);
            column.push(value);
        }
    }

    fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    fn is_full(&self) -> bool {
        self.rows() >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    async fn send(&mut self, target: &mut PgConnection, insert: &str) -> Result<(), sqlx::Error> {
        if self.rows() == 0 {
            return Ok(());
        }
        let mut statement = sqlx::query(AssertSqlSafe(insert.to_owned()));
        for column in &mut self.columns {
            statement = statement.bind(std::mem::take(column));
        }
        statement.execute(target).await?;
        self.bytes = 0;
        Ok(())
    }
}
