use rstest::rstest;
use vestibule::models::{SealedSigningKey, SecretKey, SigningKey};
use vestibule::repository::{Inserted, SigningKeys};
use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::fixtures::{NOON, random};

#[rstest]
#[tokio::test]
async fn a_generation_has_one_key_and_keys_are_listed_oldest_first(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let keys = SecretKey::generate(random()).derive();
    let key = |generation| SigningKey::generate(generation, NOON, random()).seal(&keys, random());
    let (first, rival, second) = (key(1), key(1), key(2));
    assert!(database.alone().list_signing_keys().await.unwrap().is_empty());
    assert_eq!(database.alone().insert_signing_key(&second).await.unwrap(), Inserted::New);
    assert_eq!(database.alone().insert_signing_key(&first).await.unwrap(), Inserted::New);
    assert_eq!(database.alone().insert_signing_key(&rival).await.unwrap(), Inserted::AlreadyThere);
    assert_eq!(database.alone().list_signing_keys().await.unwrap(), [first, second]);
}

#[rstest]
#[tokio::test]
async fn of_twenty_first_keys_at_once_one_is_the_first(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let databases = [test.connect().await, test.connect().await];
    let keys = SecretKey::generate(random()).derive();
    let attempts: Vec<_> = (0..20)
        .map(|number| {
            let database = databases[number % 2].clone();
            let key = SigningKey::generate(1, NOON, random()).seal(&keys, random());
            tokio::spawn(async move { database.alone().insert_signing_key(&key).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    for attempt in attempts {
        new += usize::from(attempt.await.unwrap() == Inserted::New);
    }
    assert_eq!((new, databases[0].alone().list_signing_keys().await.unwrap().len()), (1, 1));
}

#[rstest]
#[tokio::test]
async fn a_key_that_is_none_is_refused(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let keys = SecretKey::generate(random()).derive();
    let good = SigningKey::generate(1, NOON, random()).seal(&keys, random());
    for broken in [
        SealedSigningKey { kid: String::new(), ..good.clone() },
        SealedSigningKey { generation: 0, ..good.clone() },
        SealedSigningKey { public_key: vec![7; 31], ..good.clone() },
    ] {
        assert!(database.alone().insert_signing_key(&broken).await.is_err(), "{broken:?}");
    }
    let same_name = SealedSigningKey { generation: 2, ..good.clone() };
    assert_eq!(database.alone().insert_signing_key(&good).await.unwrap(), Inserted::New);
    assert!(database.alone().insert_signing_key(&same_name).await.is_err(), "two keys of one name");
}
