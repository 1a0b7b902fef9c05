use rstest::rstest;
use time::Duration;
use vestibule::models::{ServiceKey, ServiceKeyId, ServiceName, ServiceScope};
use vestibule::repository::ServiceKeys;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};

use crate::fixtures::{NOON, house, random};

fn key(number: u8, expires_at: Option<time::OffsetDateTime>) -> ServiceKey {
    let created_at = NOON + Duration::milliseconds(number.into());
    ServiceKey {
        id: ServiceKeyId::new(created_at, random()),
        name: ServiceName::parse("wiki").unwrap(),
        scopes: ServiceScope::ALL.to_vec(),
        hash: [number; 32].into(),
        created_at,
        expires_at,
        last_used_at: None,
    }
}

#[rstest]
#[tokio::test]
async fn a_key_is_found_by_its_hash_while_it_is_good(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    alone.insert_service_key(&key(1, Some(NOON + Duration::DAY))).await.unwrap();
    alone.insert_service_key(&key(2, None)).await.unwrap();
    let found = alone.find_service_key([1; 32].into(), NOON).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.scopes.as_slice()), ("wiki", ServiceScope::ALL.as_slice()));
    assert_eq!((found.expires_at, found.last_used_at), (Some(NOON + Duration::DAY), None));
    assert!(alone.find_service_key([1; 32].into(), NOON + Duration::DAY).await.unwrap().is_none());
    let much_later = NOON + Duration::days(9999);
    assert!(alone.find_service_key([2; 32].into(), much_later).await.unwrap().is_some());
    assert!(alone.find_service_key([3; 32].into(), NOON).await.unwrap().is_none());
    assert!(alone.insert_service_key(&key(2, None)).await.is_err(), "a hash is there once");
}

#[rstest]
#[tokio::test]
async fn that_a_key_was_used_is_noted_where_the_note_is_stale(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    let key = key(1, None);
    alone.insert_service_key(&key).await.unwrap();
    for (at, noted) in [(0, 0), (30, 0), (60, 60), (61, 60), (119, 60), (120, 120)] {
        let now = NOON + Duration::seconds(at);
        alone.note_service_key_used(key.id, now, now - Duration::MINUTE).await.unwrap();
        let found = alone.find_service_key(key.hash, now).await.unwrap().unwrap();
        assert_eq!(found.last_used_at, Some(NOON + Duration::seconds(noted)), "after {at} s");
    }
}

#[rstest]
#[tokio::test]
async fn keys_are_listed_newest_first_and_removed_once(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    let all = [1, 2, 3].map(|number| key(number, Some(NOON - Duration::DAY)));
    for key in &all {
        alone.insert_service_key(key).await.unwrap();
    }
    let ids = async |below, limit| {
        let listed = database.alone().list_service_keys(below, limit).await.unwrap();
        listed.into_iter().map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 10).await, [all[2].id, all[1].id, all[0].id], "those that are over too");
    assert_eq!(ids(None, 1).await, [all[2].id]);
    assert_eq!(ids(Some(all[2].id), 10).await, [all[1].id, all[0].id]);
    assert!(alone.delete_service_key(all[2].id).await.unwrap());
    assert!(!alone.delete_service_key(all[2].id).await.unwrap());
    assert_eq!(ids(None, 10).await, [all[1].id, all[0].id]);
}
