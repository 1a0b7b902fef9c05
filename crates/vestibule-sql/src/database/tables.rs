use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};

/// Tables that each database fills for itself as they are made: what a move leaves alone.
pub const KEPT_BY_EACH_DATABASE: [&str; 1] = ["revocation_feed"];

/// A name as SQL takes it, whatever letters it has.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tables of an embedded database, without SQLite's own and those that hold the insides of a virtual one.
pub(super) async fn sqlite_tables(connection: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    let sql = "SELECT name
               FROM pragma_table_list
               WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
               ORDER BY name";
    sqlx::query_scalar(sql).fetch_all(connection).await
}

/// The tables of a schema.
pub(super) async fn postgres_tables(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let sql = "SELECT relname::text
               FROM pg_class
               WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
                 AND relkind IN ('r', 'p') AND NOT relispartition
               ORDER BY relname::text COLLATE \"C\"";
    sqlx::query_scalar(sql).bind(schema).fetch_all(connection).await
}

/// The schema in which a connection's tables are.
pub(super) async fn postgres_schema(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let sql = "SELECT coalesce(current_schema()::text, 'public')";
    sqlx::query_scalar(sql).fetch_one(connection).await
}

/// How many rows each table has.
pub(super) async fn count_sqlite_rows(
    connection: &mut SqliteConnection,
) -> Result<BTreeMap<String, u64>, sqlx::Error> {
    let mut counted = BTreeMap::new();
    for table in sqlite_tables(connection).await? {
        let sql = format!("SELECT count(*) FROM {}", quoted(&table));
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
        counted.insert(table, rows.unsigned_abs());
    }
    Ok(counted)
}

/// How many rows each table of a schema has.
pub(super) async fn count_postgres_rows(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<BTreeMap<String, u64>, sqlx::Error> {
    let mut counted = BTreeMap::new();
    for table in postgres_tables(connection, schema).await? {
        let sql = format!("SELECT count(*) FROM {}.{}", quoted(schema), quoted(&table));
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
        counted.insert(table, rows.unsigned_abs());
    }
    Ok(counted)
}
