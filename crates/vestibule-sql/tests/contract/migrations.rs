use std::collections::BTreeSet;

use rstest::rstest;
use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use vestibule::models::{Client, MailUrgency, OutgoingMailId};
use vestibule::repository::{Inserted, OutgoingMails, Sessions, Users};
use vestibule::services::{Asked, LogIn, PresentedSession};
use vestibule_sql::{At, Database, Id, MIGRATIONS, MigrateError, Migrations, SchemaState};
use vestibule_testkit::{
    DatabaseKind, House, HouseOptions, PASSWORD, TestDatabase, reading, signing_up, values, writing,
};

use crate::fixtures::{NOON, hash, random, session, user};

#[derive(sqlx::FromRow)]
struct Text {
    text: String,
}

/// Every column of every table as `table.column kind null?`, in the words of SQLite.
async fn columns(kind: DatabaseKind, database: &Database) -> Vec<String> {
    let sql = match kind {
        DatabaseKind::Sqlite => {
            "SELECT tables.name || '.' || columns.name || ' ' || columns.type
                 || CASE WHEN columns.\"notnull\" = 1 THEN ' NOT NULL' ELSE '' END AS text
             FROM sqlite_master AS tables
             JOIN pragma_table_info(tables.name) AS columns
             WHERE tables.type = 'table' AND tables.name <> 'vestibule_migrations'
             ORDER BY tables.name, columns.name"
        }
        DatabaseKind::Postgres => {
            "SELECT table_name || '.' || column_name || ' ' || data_type
                 || CASE WHEN is_nullable = 'NO' THEN ' NOT NULL' ELSE '' END AS text
             FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name <> 'vestibule_migrations'
             ORDER BY table_name, column_name COLLATE \"C\""
        }
    };
    let rows: Vec<Text> = database.alone().read(sql).all().await.unwrap();
    rows.into_iter().map(|row| in_the_words_of_sqlite(&row.text)).collect()
}

/// SQLite has fewer types. What each of PostgreSQL's is there.
fn in_the_words_of_sqlite(column: &str) -> String {
    let mut column = column.to_owned();
    for (theirs, ours) in [
        (" timestamp with time zone", " TEXT"),
        (" uuid", " TEXT"),
        (" text", " TEXT"),
        (" boolean", " INTEGER"),
        (" bigint", " INTEGER"),
        (" bytea", " BLOB"),
    ] {
        column = column.replace(theirs, ours);
    }
    column
}

async fn indexes(kind: DatabaseKind, database: &Database) -> BTreeSet<String> {
    let sql = match kind {
        DatabaseKind::Sqlite => {
            "SELECT name AS text FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        }
        DatabaseKind::Postgres => {
            "SELECT indexname AS text FROM pg_indexes
             WHERE schemaname = 'public' AND indexname NOT LIKE '%_key' AND indexname NOT LIKE '%_pkey'"
        }
    };
    let rows: Vec<Text> = database.alone().read(sql).all().await.unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

#[tokio::test]
async fn both_folders_make_the_same_tables() {
    let sqlite = TestDatabase::create(DatabaseKind::Sqlite).await;
    let postgres = TestDatabase::create(DatabaseKind::Postgres).await;
    let (ours, theirs) = (sqlite.connect().await, postgres.connect().await);
    let columns_here = columns(DatabaseKind::Sqlite, &ours).await;
    assert!(columns_here.len() > 40, "{columns_here:?}");
    assert_eq!(columns_here, columns(DatabaseKind::Postgres, &theirs).await);
    let indexes_here = indexes(DatabaseKind::Sqlite, &ours).await;
    assert!(indexes_here.contains("sessions_by_user"));
    assert_eq!(indexes_here, indexes(DatabaseKind::Postgres, &theirs).await);
}

#[test]
fn both_folders_have_the_same_files() {
    let files = |folder: &str| -> BTreeSet<_> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
        std::fs::read_dir(path).unwrap().map(|file| file.unwrap().file_name()).collect()
    };
    assert!(!files("sqlite").is_empty());
    assert_eq!(files("sqlite"), files("postgres"));
}

/// The rule from 0010 on (`docs/adr/0031-expand-and-contract.md`): without it a release could not be taken back.
#[test]
fn a_migration_says_in_its_name_whether_the_release_before_can_go_on() {
    for name in MIGRATIONS.names() {
        let (number, rest) = name.split_once(' ').unwrap();
        if number <= "0009" {
            continue;
        }
        let words: Vec<&str> = rest.split(' ').collect();
        let is_marked = match words[..] {
            ["expand", _, ..] => true,
            ["contract", "after", floor, _, ..] => floor.parse::<u32>().is_ok() && floor < number,
            _ => false,
        };
        assert!(
            is_marked,
            "{name}: call it {number}_expand_WHAT.sql or {number}_contract_after_NNNN_WHAT.sql"
        );
    }
}

#[rstest]
#[tokio::test]
async fn servers_that_start_at_once_migrate_once(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::empty(kind).await;
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let test = test.clone();
            tokio::spawn(async move {
                let database = test.connect().await;
                database.migrate(&MIGRATIONS).await.unwrap();
                database.schema_state(&MIGRATIONS).await.unwrap()
            })
        })
        .collect();
    for start in starts {
        assert_eq!(start.await.unwrap(), SchemaState::Expected);
    }
}

#[rstest]
#[tokio::test]
async fn the_state_of_the_schema_is_told(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::empty(kind).await;
    let database = test.connect().await;
    let missing = database.schema_state(&MIGRATIONS).await.unwrap();
    assert_eq!(
        missing,
        SchemaState::Missing(vec![
            "0001 accounts".into(),
            "0002 mail and account".into(),
            "0003 administration".into(),
            "0004 protection".into(),
            "0005 mail attempts".into(),
            "0006 link addresses".into(),
            "0007 audit actors".into(),
            "0008 keys".into(),
            "0009 sign up".into(),
            "0010 expand certificates".into(),
            "0011 expand session changes".into(),
            "0012 expand service keys".into(),
            "0013 expand revocations".into()
        ])
    );
    database.migrate(&MIGRATIONS).await.unwrap();
    assert_eq!(database.schema_state(&MIGRATIONS).await.unwrap(), SchemaState::Expected);

    // A later release was here, which added and took away what this one does not use: it runs on, for that is how one goes
    // back.
    let later = "INSERT INTO vestibule_migrations (version, description, success, checksum, execution_time)
                 VALUES ($1, $2, $3, $4, 0)";
    let note = async |version: i64, description: &str| {
        let mut alone = database.alone();
        let row = alone.write(later).bind(version).bind(description.to_owned()).bind(true).bind(vec![1u8]);
        row.execute().await.unwrap();
    };
    note(9001, "expand later").await;
    note(9002, "contract after 0001 what was before").await;
    assert_eq!(database.schema_state(&MIGRATIONS).await.unwrap(), SchemaState::Expected);
    assert!(database.planned_migrations(&MIGRATIONS).await.unwrap().is_empty());
    database.migrate(&MIGRATIONS).await.unwrap();
    // One that says nothing of itself, and one that took away what this one uses.
    note(9003, "later").await;
    note(9004, "contract after 9001 something").await;
    let too_new = vec!["9003 later".to_owned(), "9004 contract after 9001 something".to_owned()];
    assert_eq!(database.schema_state(&MIGRATIONS).await.unwrap(), SchemaState::TooNew(too_new));
    assert!(matches!(database.migrate(&MIGRATIONS).await, Err(MigrateError::TooNew(_))));
    database.alone().write("DELETE FROM vestibule_migrations WHERE version > 9002").execute().await.unwrap();

    let change = "UPDATE vestibule_migrations SET checksum = $1 WHERE version = 1";
    database.alone().write(change).bind(vec![1u8]).execute().await.unwrap();
    let changed = database.schema_state(&MIGRATIONS).await.unwrap();
    assert_eq!(changed, SchemaState::Changed("0001 accounts".into()));
    assert!(database.migrate(&MIGRATIONS).await.is_err());
}

/// A migration that fails where the statements of requests would be cut short. An index on a large table takes
/// longer than any request may, and a second server waits for the first one's whole work.
fn asks_whether_it_is_limited() -> Migrator {
    let sql = "DO $$ BEGIN
                   IF current_setting('statement_timeout') <> '0' OR current_setting('lock_timeout') <> '0' THEN
                       RAISE EXCEPTION 'a migration has a time limit';
                   END IF;
               END $$";
    one_migration(sql)
}

fn one_migration(sql: &'static str) -> Migrator {
    let kind = MigrationType::Simple;
    Migrator::with_migrations(vec![Migration::new(1, "one".into(), kind, SqlStr::from_static(sql), false)])
}

#[tokio::test]
async fn the_time_limits_of_requests_are_not_those_of_migrations() {
    #[derive(sqlx::FromRow)]
    struct Limit {
        statement_timeout: String,
    }
    let test = TestDatabase::empty(DatabaseKind::Postgres).await;
    let database = test.connect().await;
    let migrations = Migrations {
        table: "limits_migrations",
        sqlite: || unreachable!("this is PostgreSQL"),
        postgres: asks_whether_it_is_limited,
    };
    database.migrate(&migrations).await.unwrap();
    for _ in 0..3 {
        let sql = "SELECT current_setting('statement_timeout') AS statement_timeout";
        let limit: Option<Limit> = database.alone().read(sql).optional().await.unwrap();
        assert_eq!(limit.unwrap().statement_timeout, "10s", "requests still have theirs");
    }
}

#[rstest]
#[tokio::test]
async fn an_application_migrates_its_own_tables_beside_those_of_accounts(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let own = Migrations {
        table: "own_migrations",
        sqlite: || one_migration("CREATE TABLE own (id TEXT) STRICT"),
        postgres: || one_migration("CREATE TABLE own (id text)"),
    };
    assert_eq!(database.schema_state(&own).await.unwrap(), SchemaState::Missing(vec!["0001 one".into()]));
    database.migrate(&own).await.unwrap();
    assert_eq!(database.schema_state(&own).await.unwrap(), SchemaState::Expected);
    assert_eq!(database.schema_state(&MIGRATIONS).await.unwrap(), SchemaState::Expected);
    database.alone().write("INSERT INTO own (id) VALUES ($1)").bind("1").execute().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_behind(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::empty(kind).await;
    let database = test.connect().await;
    let broken = Migrations {
        table: "own_migrations",
        sqlite: || one_migration("CREATE TABLE own (id TEXT) STRICT; CREATE TABLE own (id TEXT) STRICT"),
        postgres: || one_migration("CREATE TABLE own (id text); CREATE TABLE own (id text)"),
    };
    assert!(database.migrate(&broken).await.is_err());
    let mended = Migrations {
        sqlite: || one_migration("CREATE TABLE own (id TEXT) STRICT"),
        postgres: || one_migration("CREATE TABLE own (id text)"),
        ..broken
    };
    // Neither half a table nor a lock is in the way of the next try, from wherever it comes.
    test.connect().await.migrate(&mended).await.unwrap();
    assert_eq!(database.schema_state(&mended).await.unwrap(), SchemaState::Expected);
}

#[rstest]
#[tokio::test]
async fn a_database_that_fails_is_not_taken_for_an_empty_one(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    // There is a table of that name, and it cannot be read as what it should be.
    database.alone().write("DROP TABLE vestibule_migrations").execute().await.unwrap();
    let other = "CREATE TABLE vestibule_migrations (something bigint)";
    database.alone().write(other).execute().await.unwrap();
    assert!(database.schema_state(&MIGRATIONS).await.is_err());
}

/// The tables as the release before made them.
const FIRST_ONLY: Migrations = Migrations {
    table: MIGRATIONS.table,
    sqlite: || first_of((MIGRATIONS.sqlite)()),
    postgres: || first_of((MIGRATIONS.postgres)()),
};

fn first_of(mut migrator: Migrator) -> Migrator {
    migrator.migrations.to_mut().truncate(1);
    migrator
}

#[rstest]
#[tokio::test]
async fn a_mail_of_the_release_before_goes_whether_it_was_written_before_the_upgrade_or_after(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    const INSERT: &str = "
        INSERT INTO outgoing_mails (id, kind, user_id, recipient, created_at, ip, user_agent)
        VALUES ($1, 'confirm_email', $2, 'ann@example.com', $3, NULL, NULL)";
    let test = TestDatabase::empty(kind).await;
    let database = test.connect().await;
    database.migrate(&FIRST_ONLY).await.unwrap();
    let ann = user("ann@example.com");
    assert_eq!(database.alone().insert_user(&ann, Some(&hash("a"))).await.unwrap(), Inserted::New);
    let insert = async || {
        let id = OutgoingMailId::new(NOON, random());
        let mut alone = database.alone();
        let row = alone.write(INSERT).bind(Id(id.as_uuid())).bind(Id(ann.id.as_uuid())).bind(At(NOON));
        row.execute().await.unwrap();
        id
    };
    let before = insert().await;
    database.migrate(&MIGRATIONS).await.unwrap();
    let after = insert().await;
    // The default of a row's first attempt is the database's own time.
    let now = NOON + time::Duration::days(3650);
    let mut claimed = BTreeSet::new();
    while let Some(mail) =
        database.alone().claim_mail(MailUrgency::Normal, now, now + time::Duration::HOUR).await.unwrap()
    {
        assert_eq!((mail.attempt, mail.mail.user_id), (1, Some(ann.id)));
        claimed.insert(mail.mail.id);
    }
    assert_eq!(claimed, BTreeSet::from([before, after]));
}

// A60: an upgrade locked people out.
#[rstest]
#[tokio::test]
async fn who_had_an_account_and_a_session_before_the_upgrade_has_them_after(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    const INSERT: &str = "
        INSERT INTO sessions (
            id_hash, public_id, user_id, secret_hash, previous_secret_hash, secret_rotated_at, secret_first_used_at,
            csrf_token, is_revoked, created_at, last_seen_at, expires_at, absolute_expires_at, ip, user_agent
        )
        VALUES ($1, $2, $3, $4, NULL, $5, NULL, $6, $7, $5, $5, $8, $9, NULL, NULL)";
    let test = TestDatabase::empty(kind).await;
    let database = test.connect().await;
    database.migrate(&FIRST_ONLY).await.unwrap();
    let ann = user("ann@example.com");
    assert_eq!(database.alone().insert_user(&ann, Some(&hash("a"))).await.unwrap(), Inserted::New);
    let insert = async || {
        let session = session(&ann);
        let mut alone = database.alone();
        let row = alone
            .write(INSERT)
            .bind(session.id_hash.as_bytes().to_vec())
            .bind(Id(session.public_id.as_uuid()))
            .bind(Id(ann.id.as_uuid()))
            .bind(session.secret_hash.as_bytes().to_vec())
            .bind(At(NOON))
            .bind(session.csrf_token.as_str().to_owned())
            .bind(false)
            .bind(At(session.expires_at))
            .bind(At(session.absolute_expires_at));
        assert_eq!(row.execute().await.unwrap(), 1);
        session
    };
    let before = insert().await;
    database.migrate(&MIGRATIONS).await.unwrap();
    // A server of the release before goes on beside the new ones.
    let after = insert().await;
    let found = database.alone().find_credentials_by_email(&ann.email, None).await.unwrap().unwrap();
    assert_eq!((found.credentials.user, found.credentials.password_hash), (ann.clone(), Some(hash("a"))));
    for session in [before, after] {
        let found = database.alone().find_session_with_user(session.id_hash).await.unwrap().unwrap();
        assert_eq!(*found.user, ann);
        assert!(found.session.secret_hash.matches(&session.secret_hash));
    }
}

/// The same with a real password and a real session, by the services: not only are the rows there, but people get in by them.
#[rstest]
#[tokio::test]
async fn who_had_a_password_and_a_session_before_the_upgrade_logs_in_and_goes_on_after(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    const INSERT_USER: &str = "
        INSERT INTO users (
            id, email, name, password_hash, is_email_verified, role, is_disabled, created_at, updated_at
        )
        VALUES ($1, $2, $3, $4, $5, 'user', $6, $7, $7)";
    const INSERT_SESSION: &str = "
        INSERT INTO sessions (
            id_hash, public_id, user_id, secret_hash, previous_secret_hash, secret_rotated_at, secret_first_used_at,
            csrf_token, is_revoked, created_at, last_seen_at, expires_at, absolute_expires_at, ip, user_agent
        )
        VALUES ($1, $2, $3, $4, NULL, $5, NULL, $6, $7, $5, $5, $8, $9, NULL, NULL)";
    // A hash and a session as they are made, to be written as the release before wrote them.
    let options = HouseOptions::default();
    let source = House::open_on(&TestDatabase::create(kind).await, options.clone()).await.unwrap();
    let ann =
        source.accounts.sign_up(signing_up("ann@example.com", "Ann"), &Client::default()).await.unwrap();
    let found = source.database.alone().find_credentials_by_email(&ann.user.email, None).await.unwrap();
    let hash = found.unwrap().credentials.password_hash.unwrap();
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));

    let test = TestDatabase::empty(kind).await;
    let database = test.connect().await;
    database.migrate(&FIRST_ONLY).await.unwrap();
    let mut alone = database.alone();
    let (user, session) = (&ann.user, &ann.session);
    let row = alone
        .write(INSERT_USER)
        .bind(Id(user.id.as_uuid()))
        .bind(user.email.as_str().to_owned())
        .bind(user.name.as_str().to_owned())
        .bind(hash.as_str().to_owned())
        .bind(user.is_email_verified)
        .bind(user.is_disabled)
        .bind(At(user.created_at));
    assert_eq!(row.execute().await.unwrap(), 1);
    let row = alone
        .write(INSERT_SESSION)
        .bind(session.id_hash.as_bytes().to_vec())
        .bind(Id(session.public_id.as_uuid()))
        .bind(Id(user.id.as_uuid()))
        .bind(session.secret_hash.as_bytes().to_vec())
        .bind(At(session.created_at))
        .bind(session.csrf_token.as_str().to_owned())
        .bind(false)
        .bind(At(session.expires_at))
        .bind(At(session.absolute_expires_at));
    assert_eq!(row.execute().await.unwrap(), 1);
    drop(alone);
    database.migrate(&MIGRATIONS).await.unwrap();

    let house = House::open_on(&test, options).await.unwrap();
    let accounts = &house.accounts;
    let typed = LogIn { email: "ann@example.com", password: PASSWORD, devices: &[] };
    let logged_in = accounts.log_in(typed, &Client::default()).await.unwrap();
    assert_eq!(logged_in.user.id, user.id);
    accounts.check_session(&reading(&logged_in), Asked::ACCOUNT).await.unwrap();
    let wrong = LogIn { email: "ann@example.com", password: "wrong window thursday", devices: &[] };
    assert!(accounts.log_in(wrong, &Client::default()).await.is_err());

    let refreshed = accounts.refresh(&writing(&ann), &Client::default()).await.unwrap();
    let shown = PresentedSession {
        access: values(&[&refreshed.tokens.access]),
        refresh: values(&[&refreshed.tokens.refresh]),
        ..reading(&ann)
    };
    let current = accounts.check_session(&shown, Asked::ACCOUNT).await.unwrap();
    assert_eq!((current.session.public_id, current.user.id), (session.public_id, user.id));
}

#[rstest]
#[tokio::test]
async fn tables_of_somebody_else_are_named_and_nothing_is_changed(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::empty(kind).await;
    let database = test.connect().await;
    for sql in [
        "CREATE TABLE users (name text)",
        "CREATE TABLE orders (id text)",
        "INSERT INTO users VALUES ('Ann')",
    ] {
        database.alone().write(sql).execute().await.unwrap();
    }
    let error = database.migrate(&MIGRATIONS).await.unwrap_err();
    assert!(matches!(&error, MigrateError::Taken(tables) if tables == &["users"]), "{error:?}");
    let tables: BTreeSet<String> = test.columns().await.into_iter().map(|(table, _)| table).collect();
    assert_eq!(tables, ["orders", "users"].map(str::to_owned).into());
}

#[tokio::test]
async fn accounts_live_in_a_schema_of_their_own_beside_tables_of_the_same_names() {
    let test = TestDatabase::empty(DatabaseKind::Postgres).await;
    let theirs = test.connect().await;
    for sql in [
        "CREATE TABLE users (name text)",
        "CREATE TABLE sessions (name text)",
        "INSERT INTO users VALUES ('Ann')",
    ] {
        theirs.alone().write(sql).execute().await.unwrap();
    }
    let ours = Database::connect(&test.url().in_schema("accounts").unwrap()).await.unwrap();
    ours.make_schema("accounts").await.unwrap();
    ours.make_schema("accounts").await.unwrap();
    ours.migrate(&MIGRATIONS).await.unwrap();
    ours.migrate(&MIGRATIONS).await.unwrap();
    assert_eq!(ours.schema_state(&MIGRATIONS).await.unwrap(), SchemaState::Expected);
    let ann = user("ann@example.com");
    assert_eq!(ours.alone().insert_user(&ann, None).await.unwrap(), Inserted::New);
    let name: Option<Text> =
        ours.alone().read("SELECT name AS text FROM public.users").optional().await.unwrap();
    assert_eq!(name.map(|name| name.text).as_deref(), Some("Ann"));
    // What triggers tell finds its way too.
    let cache = vestibule::SessionCache::new(10);
    let failed = std::sync::Mutex::new(Vec::new());
    let url = ours.url().clone();
    let following = ours.follow_changes(&url, &cache, |error| failed.lock().unwrap().push(error.to_string()));
    let trusted = async {
        while !cache.state().is_trusted {
            let _ = cache.was_asked();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), async {
        tokio::select! { () = following => {}, () = trusted => {} }
    })
    .await;
    assert!(failed.lock().unwrap().is_empty(), "{failed:?}");
}

#[test]
fn a_schema_is_refused_where_there_is_none_or_it_has_no_name() {
    let postgres = || "postgres://localhost/app".parse::<vestibule_sql::DatabaseUrl>().unwrap();
    for name in ["", "Accounts", "a-b", "pg_ours", "a b", "\"x", "1st"] {
        assert!(postgres().in_schema(name).is_err(), "{name}");
    }
    assert!(postgres().in_schema("accounts").is_ok());
    let file: vestibule_sql::DatabaseUrl = "sqlite://app.db".parse().unwrap();
    let refused = file.in_schema("accounts").unwrap_err();
    assert!(refused.to_string().contains("a file of their own"), "{refused}");
}
