use rstest::rstest;
use vestibule::models::{SecretKey, SigningKey};
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
