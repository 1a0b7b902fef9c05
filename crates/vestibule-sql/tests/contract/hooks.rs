use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rstest::rstest;
use vestibule::models::User;
use vestibule::repository::{Inserted, Store};
use vestibule_sql::{AccountEvent, AccountHooks, Connection, Database, HookError, SqlStore, async_trait};
use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::fixtures::{hash, user};

/// Counts what it is told, and does with the connection what a test wants.
#[derive(Default)]
struct Counting {
    within: AtomicUsize,
    after: AtomicUsize,
    panics_after: bool,
    conflicts: bool,
}

#[async_trait]
impl AccountHooks for Counting {
    async fn created(&self, user: &User, connection: &mut Connection) -> Result<(), HookError> {
        self.within.fetch_add(1, Ordering::Relaxed);
        // By sqlx itself, in the same transaction: it sees the row that nobody else sees yet.
        let sql = "SELECT COUNT(*) FROM users WHERE email = $1";
        let email = user.email.as_str().to_owned();
        let seen: i64 = if let Some(connection) = connection.as_postgres() {
            sqlx::query_scalar(sql).bind(email).fetch_one(connection).await?
        } else {
            let connection = connection.as_sqlite().expect("there are two kinds of database");
            sqlx::query_scalar(sql).bind(email).fetch_one(connection).await?
        };
        assert_eq!(seen, 1);
        if self.conflicts {
            for _ in 0..2 {
                let sql = "INSERT INTO roster (email) VALUES ($1)";
                connection.write(sql).bind(user.email.as_str().to_owned()).execute().await?;
            }
        }
        Ok(())
    }

    async fn after_commit(&self, event: &AccountEvent) {
        assert!(matches!(event, AccountEvent::Created(_)));
        self.after.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics_after, "a defect of the application");
    }
}

async fn open(kind: DatabaseKind, hooks: Counting) -> (TestDatabase, Database, SqlStore, Arc<Counting>) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    database.alone().write("CREATE TABLE roster (email text NOT NULL PRIMARY KEY)").execute().await.unwrap();
    let hooks = Arc::new(hooks);
    let store = SqlStore::new(database.clone()).with_hooks(vec![hooks.clone()]);
    (test, database, store, hooks)
}

impl Counting {
    fn told(&self) -> (usize, usize) {
        (self.within.load(Ordering::Relaxed), self.after.load(Ordering::Relaxed))
    }
}

#[rstest]
#[tokio::test]
async fn what_is_rolled_back_is_not_told_after(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, store, hooks) = open(kind, Counting::default()).await;
    let mut work = store.begin().await.unwrap();
    assert_eq!(work.insert_user(&user("ann@example.com"), Some(&hash("a"))).await.unwrap(), Inserted::New);
    drop(work);
    assert_eq!(hooks.told(), (1, 0));
    let mut work = store.begin().await.unwrap();
    assert_eq!(work.insert_user(&user("ann@example.com"), Some(&hash("a"))).await.unwrap(), Inserted::New);
    assert_eq!(work.insert_user(&user("ann@example.com"), None).await.unwrap(), Inserted::AlreadyThere);
    assert_eq!(hooks.told(), (2, 0), "not before the commit");
    work.commit().await.unwrap();
    assert_eq!(hooks.told(), (2, 1));
    database.close().await;
}

#[rstest]
#[tokio::test]
async fn without_a_transaction_nothing_is_changed_that_hooks_are_to_be_told_of(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, _database, store, hooks) = open(kind, Counting::default()).await;
    let ann = user("ann@example.com");
    assert!(store.alone().insert_user(&ann, Some(&hash("a"))).await.is_err());
    assert!(store.alone().delete_user(ann.id, None).await.is_err());
    assert!(store.alone().confirm_email(ann.id, &ann.email, ann.created_at).await.is_err());
    assert!(store.alone().reset_password(ann.id, &hash("b"), ann.created_at).await.is_err());
    assert!(store.alone().replace_email(ann.id, &ann.email, ann.created_at).await.is_err());
    assert_eq!((store.alone().count_users().await.unwrap(), hooks.told()), (0, (0, 0)));
}

#[rstest]
#[tokio::test]
async fn a_conflict_of_the_applications_own_is_not_taken_for_one_of_accounts(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, _database, store, hooks) =
        open(kind, Counting { conflicts: true, ..Counting::default() }).await;
    let mut work = store.begin().await.unwrap();
    let error = work.insert_user(&user("ann@example.com"), None).await.unwrap_err();
    assert!(!error.is_conflict() && !error.is_unavailable() && error.refusal().is_none(), "{error:?}");
    assert!(work.commit().await.is_err(), "who does not look at the error makes nothing of it hold");
    assert_eq!((store.alone().count_users().await.unwrap(), hooks.told()), (0, (1, 0)));
}

#[rstest]
#[tokio::test]
async fn a_hook_that_panics_after_the_commit_undoes_nothing(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, _database, store, hooks) =
        open(kind, Counting { panics_after: true, ..Counting::default() }).await;
    let mut work = store.begin().await.unwrap();
    assert_eq!(work.insert_user(&user("ann@example.com"), None).await.unwrap(), Inserted::New);
    work.commit().await.unwrap();
    assert_eq!((store.alone().count_users().await.unwrap(), hooks.told()), (1, (1, 1)));
}
