use rstest::rstest;
use time::Duration;
use vestibule::models::{Device, SecretKey};
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
