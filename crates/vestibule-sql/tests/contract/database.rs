use rstest::rstest;
use time::Duration;
use vestibule::repository::{Inserted, Users};
use vestibule_sql::{At, Id};
use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::fixtures::{NOON, hash, random, user};

#[derive(sqlx::FromRow)]
struct Moment {
    created_at: At,
    id: Id,
}

#[rstest]
#[tokio::test]
async fn moments_come_back_to_the_microsecond_and_sort_as_they_should(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let whole = NOON.replace_nanosecond(0).unwrap();
    let moments = [
        whole - Duration::microseconds(1),
        whole,
        whole + Duration::microseconds(1),
        whole + Duration::microseconds(100_000),
        whole + Duration::seconds(1),
    ];
    for (number, moment) in moments.iter().enumerate().rev() {
        let mut user = user(&format!("user{number}@example.com"));
        user.created_at = *moment;
        let _ = database.alone().insert_user(&user, None).await.unwrap();
    }
    let sql = "SELECT id, created_at FROM users ORDER BY created_at";
    let rows: Vec<Moment> = database.alone().read(sql).all().await.unwrap();
    assert_eq!(rows.iter().map(|row| row.created_at.0).collect::<Vec<_>>(), moments);

    let sql = "SELECT id, created_at FROM users WHERE created_at > $1";
    let after: Vec<Moment> = database.alone().read(sql).bind(At(whole)).all().await.unwrap();
    assert_eq!(after.len(), 3);
    let sql = "SELECT id, created_at FROM users WHERE id = $1";
    let one: Option<Moment> = database.alone().read(sql).bind(rows[2].id).optional().await.unwrap();
    assert_eq!(one.unwrap().created_at.0, moments[2]);
}

#[rstest]
#[tokio::test]
async fn what_is_not_committed_never_was(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let ann = user("ann@example.com");
    let mut dropped = database.begin().await.unwrap();
    let _ = dropped.insert_user(&ann, Some(&hash("a"))).await.unwrap();
    drop(dropped);
    assert!(database.alone().find_credentials_by_email(&ann.email, None).await.unwrap().is_none());

    let mut kept = database.begin().await.unwrap();
    let _ = kept.insert_user(&ann, Some(&hash("a"))).await.unwrap();
    let before = database.alone().find_credentials_by_email(&ann.email, None).await.unwrap();
    assert!(before.is_none(), "nobody else sees it yet");
    kept.commit().await.unwrap();
    assert!(database.alone().find_credentials_by_email(&ann.email, None).await.unwrap().is_some());
}

#[rstest]
#[tokio::test]
async fn every_way_to_the_database_is_counted(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    assert_eq!(database.round_trips(), 0);
    database.ping().await.unwrap();
    let mut work = database.begin().await.unwrap();
    let _ = work.insert_user(&user("ann@example.com"), None).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(database.round_trips(), 4);
}

#[rstest]
#[tokio::test]
async fn many_writers_at_once_all_get_their_turn(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    // Two processes' worth of connections.
    let databases = [test.connect().await, test.connect().await];
    let writers: Vec<_> = (0..60)
        .map(|number| {
            let database = databases[number % 2].clone();
            tokio::spawn(async move {
                let mut work = database.begin().await?;
                let _ = work.insert_user(&user(&format!("user{number}@example.com")), None).await?;
                work.commit().await
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn a_closed_database_is_unavailable_and_says_what_was_asked_without_values(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    database.close().await;
    let ann = user("ann@example.com");
    let error = database.alone().find_credentials_by_email(&ann.email, None).await.unwrap_err();
    assert!(error.is_unavailable());
    assert!(error.to_string().contains("SELECT") && !format!("{error:?}").contains("ann@"), "{error:?}");
}

#[tokio::test]
async fn a_file_that_the_system_does_not_give_is_unavailable_and_not_broken() {
    let test = TestDatabase::create(DatabaseKind::Sqlite).await;
    let database = test.connect().await;
    let missing = "VACUUM INTO '/no/such/folder/copy.db'";
    assert!(database.alone().write(missing).execute().await.unwrap_err().is_unavailable());
    let nonsense = database.alone().write("SELECT nonsense").execute().await.unwrap_err();
    assert!(!nonsense.is_unavailable());
}

#[rstest]
#[tokio::test]
async fn transactions_that_are_dropped_give_their_connections_back(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    for _ in 0..40 {
        let mut work = database.begin().await.unwrap();
        let _ = work.insert_user(&user("ann@example.com"), None).await.unwrap();
    }
    let mut work = database.begin().await.unwrap();
    assert_eq!(work.insert_user(&user("ann@example.com"), None).await.unwrap(), Inserted::New);
    work.commit().await.unwrap();
}

#[tokio::test]
async fn what_only_reads_cannot_change_an_embedded_database() {
    let test = TestDatabase::create(DatabaseKind::Sqlite).await;
    let database = test.connect().await;
    let _ = database.alone().insert_user(&user("ann@example.com"), None).await.unwrap();
    assert!(database.alone().read("DELETE FROM users").execute().await.is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn an_embedded_database_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let test = TestDatabase::create(DatabaseKind::Sqlite).await;
    let database = test.connect().await;
    let _ = database.alone().insert_user(&user("ann@example.com"), None).await.unwrap();
    let folder = test.folder().unwrap();
    let rights = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(rights(&folder), 0o700);
    for file in ["test.db", "test.db-wal", "test.db-shm", "test.db.migrate.lock", "test.db.in-use.lock"] {
        assert_eq!(rights(&folder.join(file)), 0o600, "{file}");
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 5, "there is no other file");
}

#[test]
fn fixtures_are_of_chance() {
    assert_ne!(random().bytes::<16>(), random().bytes::<16>());
}
