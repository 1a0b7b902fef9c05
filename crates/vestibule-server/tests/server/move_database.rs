//! From the embedded database to PostgreSQL, by the real program.

use serde_json::Value;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::operator::with_input;
use crate::program::{Client, Program, command};

/// What one of the rows of a site's own is, in part.
type Row = (i64, Option<i64>, Option<bool>, Option<Vec<u8>>, Option<f64>, Option<String>);

fn move_to(folder: &std::path::Path, target: &str) -> (i32, String, String) {
    let mut command = command(folder);
    command.args(["move", "--json", "--to", target]);
    with_input(command, "")
}

/// A site on an embedded database with two accounts, and one of their sessions.
async fn used(folder: &std::path::Path) -> crate::program::Cookies {
    let program = Program::start(folder, None);
    let client = Client::new();
    let (_, cookies) = client.sign_up(&program.origin, "ann").await.unwrap();
    assert_eq!(client.sign_up(&program.origin, "bob").await.unwrap().0, 201);
    program.kill();
    cookies.unwrap()
}

#[tokio::test]
async fn everybody_is_still_logged_in_after_the_move_to_postgresql() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cookies = used(folder).await;
    let target = TestDatabase::empty(DatabaseKind::Postgres).await;
    let (code, answer, told) = move_to(folder, target.url_text());
    assert_eq!(code, 0, "{told}");
    let moved: Value = serde_json::from_str(&answer).unwrap();
    let rows = |name: &str| {
        let tables = moved["tables"].as_array().unwrap();
        tables.iter().find(|table| table["name"] == name).unwrap()["rows"].as_u64().unwrap()
    };
    assert_eq!((rows("users"), rows("sessions"), rows("signing_keys")), (2, 2, 1));
    assert!(moved["tables"].as_array().unwrap().len() >= 12, "{moved}");

    let program = Program::start(folder, Some(target.url_text()));
    let client = Client::new();
    assert_eq!(client.session(&program.origin, &cookies).await.unwrap(), 200);
    assert_eq!(client.refresh(&program.origin, &cookies).await.unwrap().0, 200);
    assert_eq!(client.log_in(&program.origin, "bob").await.unwrap().0, 200);
    // References and triggers are there again.
    let mut connection = PgConnection::connect(target.url_text()).await.unwrap();
    let counts: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated),
                (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert!(counts.0 >= 5 && counts.1 >= 1, "{counts:?}");

    // Not a second time, and not onto a server that runs.
    let (code, _, told) = move_to(folder, target.url_text());
    assert!(code == 1 && told.contains("Stop it first"), "{told}");
    program.kill();
    let full = TestDatabase::create(DatabaseKind::Postgres).await;
    let mut connection = PgConnection::connect(full.url_text()).await.unwrap();
    let insert = "INSERT INTO mail_quotas (quota, day, used) VALUES ('all', '2026-05-01', 1)";
    sqlx::query(insert).execute(&mut connection).await.unwrap();
    let (code, _, told) = move_to(folder, full.url_text());
    assert!(code == 1 && told.contains("mail_quotas") && told.contains("empty"), "{told}");
}

#[tokio::test]
async fn nothing_is_moved_from_under_a_server_or_to_where_it_should_not_go() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let target = TestDatabase::empty(DatabaseKind::Postgres).await;
    let program = Program::start(folder, None);
    let (code, _, told) = move_to(folder, target.url_text());
    assert!(code == 1 && told.contains("in use") && told.contains("Stop the servers"), "{told}");
    program.kill();
    for (to, words) in [
        ("sqlite://other.db", "no PostgreSQL"),
        ("postgres://ann:hunter2@db.example.com/site", "verify-full"),
        ("postgres://postgres@127.0.0.1:1/site", "--to"),
        ("mysql://db", "sqlite:// or postgres://"),
    ] {
        let (code, _, told) = move_to(folder, to);
        assert!(code == 1 && told.contains(words) && !told.contains("hunter2"), "{to}: {told}");
    }
    assert!(target.columns().await.is_empty());
}

#[tokio::test]
async fn tables_of_a_sites_own_move_with_all_kinds_of_values() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    used(folder).await;
    let target = TestDatabase::create(DatabaseKind::Postgres).await;
    let file = folder.join("data/vestibule.db");
    let mut here = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let mut there = PgConnection::connect(target.url_text()).await.unwrap();
    // A table that refers to itself and to one that comes later, with names that need quotes.
    for sql in [
        "CREATE TABLE \"a \"\"thing\"\"\" (
             number INTEGER PRIMARY KEY, parent INTEGER, \"user\" TEXT REFERENCES users (id),
             \"when\" TEXT, price REAL, ratio REAL, is_good INTEGER, picture BLOB, \"data\" TEXT, words TEXT
         ) STRICT",
        "INSERT INTO \"a \"\"thing\"\"\" VALUES
             (1, 3, (SELECT id FROM users ORDER BY id LIMIT 1), '2026-05-01T12:00:00.123456Z', 0.1, 1e300, 1, x'00ff', '{\"b\": 1.0, \"a\": [1, 2.50, \"x\"]}', ''),
             (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
             (3, 1, NULL, '1969-12-31T23:59:59.000000Z', -2, 0.30000000000000004, 0, x'', '[]', 'caf\u{e9} \u{1f600}\nnew line\ttab \\ ''')",
    ] {
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut here).await.unwrap();
    }
    here.close().await.unwrap();
    let table = "CREATE TABLE \"a \"\"thing\"\"\" (
             number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent bigint REFERENCES \"a \"\"thing\"\"\" (number),
             \"user\" uuid REFERENCES users (id), \"when\" timestamptz, price double precision, ratio double precision,
             is_good boolean, picture bytea, \"data\" jsonb, words text)";
    sqlx::query(table).execute(&mut there).await.unwrap();
    let (code, answer, told) = move_to(folder, target.url_text());
    assert_eq!(code, 0, "{told}");
    assert!(answer.contains("a \\\"thing\\\""), "{answer}");
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT number, parent, is_good, picture, ratio, words FROM \"a \"\"thing\"\"\" ORDER BY number",
    )
    .fetch_all(&mut there)
    .await
    .unwrap();
    assert_eq!(rows[0], (1, Some(3), Some(true), Some(vec![0, 255]), Some(1e300), Some(String::new())));
    assert_eq!(rows[1], (2, None, None, None, None, None));
    assert_eq!(rows[2].4, Some(0.300_000_000_000_000_04));
    assert_eq!(rows[2].5.as_deref(), Some("caf\u{e9} \u{1f600}\nnew line\ttab \\ '"));
    let next: i64 =
        sqlx::query_scalar("INSERT INTO \"a \"\"thing\"\"\" (words) VALUES ('x') RETURNING number")
            .fetch_one(&mut there)
            .await
            .unwrap();
    assert_eq!(next, 4, "the counter goes on");
}

#[tokio::test]
async fn a_row_that_postgresql_refuses_stops_the_move_and_leaves_the_target_empty() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    used(folder).await;
    let target = TestDatabase::empty(DatabaseKind::Postgres).await;
    let file = folder.join("data/vestibule.db");
    let mut here = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    sqlx::query("UPDATE audit_events SET user_agent = 'a' || char(0) || 'b'")
        .execute(&mut here)
        .await
        .unwrap();
    here.close().await.unwrap();
    let (code, _, told) = move_to(folder, target.url_text());
    assert!(code == 1 && told.contains("audit_events") && told.contains("Nothing was moved"), "{told}");
    let mut there = PgConnection::connect(target.url_text()).await.unwrap();
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut there).await.unwrap();
    assert_eq!(users, 0);
    // And the next try is in nobody's way.
    let mut here = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    sqlx::query("UPDATE audit_events SET user_agent = NULL").execute(&mut here).await.unwrap();
    here.close().await.unwrap();
    assert_eq!(move_to(folder, target.url_text()).0, 0);
}
