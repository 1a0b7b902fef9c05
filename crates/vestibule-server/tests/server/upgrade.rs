//! Releases before and after one another on one database.

use rstest::rstest;
use vestibule_sql::Database;
use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::program::{Client, Program, command, run};

/// Notes a migration as a later release would.
async fn note(database: &Database, version: i64, description: &'static str) {
    let sql = "INSERT INTO vestibule_migrations (version, description, success, checksum, execution_time)
               VALUES ($1, $2, $3, $4, 0)";
    let mut alone = database.alone();
    let row = alone.write(sql).bind(version).bind(description.to_owned()).bind(true).bind(vec![1u8]);
    row.execute().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_program_goes_back_to_after_an_upgrade_that_only_added(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let folder = tempfile::tempdir().unwrap();
    let database = test.connect().await;
    let later = "CREATE TABLE later (id TEXT)";
    database.alone().write(later).execute().await.unwrap();
    database.alone().write("ALTER TABLE users ADD COLUMN later TEXT").execute().await.unwrap();
    note(&database, 9001, "expand later").await;
    note(&database, 9002, "contract after 0001 what was before").await;
    for migrate in ["on", "off"] {
        let settings = [("VESTIBULE_MIGRATE", migrate)];
        let program = Program::start_with(folder.path(), Some(test.url_text()), &settings);
        let client = Client::new();
        assert_eq!(client.get(&program.origin, "/readyz").await.unwrap().0, 200);
        assert_eq!(client.sign_up(&program.origin, migrate).await.unwrap().0, 201);
        program.kill();
    }

    // And not to after one that took away what it needs.
    note(&database, 9003, "contract after 9001 something").await;
    database.close().await;
    for (arguments, migrate) in
        [(&["serve"][..], "on"), (&["serve"], "off"), (&["migrate"], "on"), (&["migrate", "--check"], "on")]
    {
        let mut start = command(folder.path());
        start
            .env("VESTIBULE_DATABASE_URL", test.url_text())
            .env("VESTIBULE_MIGRATE", migrate)
            .args(arguments);
        start.env("VESTIBULE_LISTEN", "127.0.0.1:0");
        let (output, told) = run(&mut start);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(
            told.contains("9003 contract after 9001 something") && told.contains("later release"),
            "{told}"
        );
        assert!(told.contains("Run that release") && !told.contains("9001 expand"), "{told}");
    }
}

#[rstest]
#[tokio::test]
async fn the_plan_tells_what_would_be_done_and_does_nothing(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::empty(kind).await;
    let folder = tempfile::tempdir().unwrap();
    let plan = |arguments: &[&str]| {
        let mut command = command(folder.path());
        command.env("VESTIBULE_DATABASE_URL", test.url_text()).args(["migrate", "--plan"]).args(arguments);
        let (output, told) = run(&mut command);
        assert!(output.status.success(), "{told}");
        told
    };
    let told = plan(&[]);
    assert!(told.contains("would be applied") && told.contains("0001 accounts"), "{told}");
    let sql = plan(&["--sql"]);
    let kind_of_id =
        if kind == DatabaseKind::Sqlite { "TEXT    NOT NULL PRIMARY KEY" } else { "uuid        PRIMARY KEY" };
    assert!(sql.starts_with("-- 0001 accounts\n") && sql.contains(kind_of_id), "{sql}");
    let json: serde_json::Value = serde_json::from_str(&plan(&["--sql", "--json"])).unwrap();
    assert!(json["planned"][0]["sql"].as_str().unwrap().contains("CREATE TABLE users"), "{json}");
    assert!(test.folder().is_none_or(|folder| !folder.exists()), "nothing was made");
    test.connect().await.migrate(&vestibule_sql::MIGRATIONS).await.unwrap();
    assert!(plan(&[]).contains("up to date") && plan(&["--sql"]).is_empty());
}

#[tokio::test]
async fn servers_that_start_at_once_on_an_empty_postgresql_migrate_once() {
    let test = TestDatabase::empty(DatabaseKind::Postgres).await;
    // One folder: the development secret that one makes is the others' too.
    let folder = tempfile::tempdir().unwrap();
    let starts: Vec<_> = (0..3)
        .map(|_| {
            let (path, url) = (folder.path().to_owned(), test.url_text().to_owned());
            tokio::task::spawn_blocking(move || Program::start(&path, Some(&url)))
        })
        .collect();
    for start in starts {
        let program = start.await.unwrap();
        assert_eq!(Client::new().get(&program.origin, "/readyz").await.unwrap().0, 200);
    }
}
