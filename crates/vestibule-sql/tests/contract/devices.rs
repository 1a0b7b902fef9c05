use rstest::rstest;
use time::Duration;
use vestibule::models::{Device, KnownDevice, SecretKey};
use vestibule::repository::{Devices, Users};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};

use crate::fixtures::{NOON, house, random, user};

#[rstest]
#[tokio::test]
async fn a_browser_is_known_to_who_logged_in_with_it(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    let bob = user("bob@example.com");
    let _ = database.alone().insert_user(&bob, None).await.unwrap();
    let device = Device::generate(random());
    let other = Device::generate(random());
    assert!(device.to_cookie(&SecretKey::generate(random()).derive()).contains('.'));
    let seen_at = async |email, device: &Device| {
        let found = database.alone().find_credentials_by_email(email, Some(device.hash())).await;
        found.unwrap().unwrap().device_seen_at
    };
    assert_eq!(seen_at(&ann.email, &device).await, None);
    for days in [0, 3] {
        let now = NOON + Duration::days(days);
        database.alone().note_device(ann.id, device.hash(), now).await.unwrap();
        assert_eq!(seen_at(&ann.email, &device).await, Some(now));
    }
    assert_eq!((seen_at(&ann.email, &other).await, seen_at(&bob.email, &device).await), (None, None));

    assert_eq!(database.alone().delete_old_devices(NOON + Duration::days(3), 10).await.unwrap(), 0);
    database.alone().note_device(bob.id, device.hash(), NOON).await.unwrap();
    assert_eq!(database.alone().delete_old_devices(NOON + Duration::days(3), 10).await.unwrap(), 1);
    database.alone().forget_devices(ann.id).await.unwrap();
    assert_eq!(seen_at(&ann.email, &device).await, None);
}

#[rstest]
#[tokio::test]
async fn the_browsers_of_a_user_are_listed_page_by_page(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    let bob = user("bob@example.com");
    let mut alone = database.alone();
    let _ = alone.insert_user(&bob, None).await.unwrap();
    let later = NOON + Duration::HOUR;
    for number in [3, 1, 2] {
        alone.note_device(ann.id, [number; 32].into(), NOON).await.unwrap();
        alone.note_device(ann.id, [number; 32].into(), later).await.unwrap();
    }
    alone.note_device(bob.id, [4; 32].into(), NOON).await.unwrap();
    let known = |number: u8| KnownDevice { hash: [number; 32].into(), created_at: NOON, last_seen_at: later };
    assert_eq!(alone.list_devices(ann.id, None, 2).await.unwrap(), [known(1), known(2)]);
    assert_eq!(alone.list_devices(ann.id, Some([2; 32].into()), 2).await.unwrap(), [known(3)]);
}
