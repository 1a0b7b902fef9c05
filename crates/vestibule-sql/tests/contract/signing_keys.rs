use rstest::rstest;
use time::Duration;
use vestibule::models::{SealedSigningKey, SecretKey, SigningKey};
use vestibule::repository::{Inserted, SigningKeys};
use vestibule_sql::At;
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
async fn a_key_is_read_with_its_times_and_a_longer_life_of_tokens_is_noted_and_never_a_shorter(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let keys = SecretKey::generate(random()).derive();
    let [first, second] = [1, 2].map(|generation| {
        SigningKey::generate(generation, NOON, random())
            .activating_at(NOON + Duration::minutes(15))
            .for_tokens_of(Duration::minutes(5))
            .seal(&keys, random())
    });
    for key in [&first, &second] {
        assert_eq!(database.alone().insert_signing_key(key).await.unwrap(), Inserted::New);
    }
    let ttls = async || {
        let listed = database.alone().list_signing_keys().await.unwrap();
        listed.iter().map(|key| key.token_ttl.whole_minutes()).collect::<Vec<_>>()
    };
    assert_eq!(database.alone().list_signing_keys().await.unwrap(), [first, second]);
    for (from_generation, minutes, expected) in [(2, 60, [5, 60]), (1, 30, [30, 60]), (1, 1, [30, 60])] {
        database.alone().raise_token_ttl(from_generation, Duration::minutes(minutes)).await.unwrap();
        assert_eq!(ttls().await, expected);
    }
}

#[rstest]
#[tokio::test]
async fn a_key_of_the_release_before_signs_since_it_was_made_and_is_kept_for_a_day(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    const INSERT: &str = "
        INSERT INTO signing_keys (kid, generation, public_key, sealed_private_key, created_at)
        VALUES ($1, $2, $3, $4, $5)";
    let database = TestDatabase::create(kind).await.connect().await;
    let keys = SecretKey::generate(random()).derive();
    let key = SigningKey::generate(1, NOON, random()).seal(&keys, random());
    let mut alone = database.alone();
    let row = alone.write(INSERT).bind(key.kid.clone()).bind(1_i64).bind(key.public_key.clone());
    row.bind(key.sealed_private_key.clone()).bind(At(NOON)).execute().await.unwrap();
    let read = database.alone().list_signing_keys().await.unwrap();
    assert_eq!(read, [SealedSigningKey { token_ttl: Duration::DAY, ..key }]);
    assert_eq!(read[0].activates_at, NOON);
}

#[rstest]
#[tokio::test]
async fn a_sealed_key_is_replaced_once_and_old_generations_are_removed(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let keys = SecretKey::generate(random()).derive();
    let [first, second, third] =
        [1, 2, 3].map(|generation| SigningKey::generate(generation, NOON, random()).seal(&keys, random()));
    for key in [&first, &second, &third] {
        assert_eq!(database.alone().insert_signing_key(key).await.unwrap(), Inserted::New);
    }
    let sealed_anew = first.open(&keys).unwrap().seal(&keys, random());
    assert_ne!(sealed_anew, first);
    assert!(database.alone().replace_sealed_signing_key(&first, &sealed_anew).await.unwrap());
    assert!(!database.alone().replace_sealed_signing_key(&first, &sealed_anew).await.unwrap());
    assert_eq!(database.alone().list_signing_keys().await.unwrap()[0], sealed_anew);

    assert_eq!(database.alone().delete_signing_keys_before(3).await.unwrap(), 2);
    assert_eq!(database.alone().delete_signing_keys_before(3).await.unwrap(), 0);
    assert_eq!(database.alone().list_signing_keys().await.unwrap(), [third]);
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
