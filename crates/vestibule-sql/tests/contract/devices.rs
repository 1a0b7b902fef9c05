use rstest::rstest;
use time::Duration;
use vestibule::models::{Bucket, Device, DeviceHash, EmailAddress, KnownDevice, Quota, SecretKey};
use vestibule::repository::Counted::{Empty, NotTheirs, Taken};
use vestibule::repository::{Devices, RateLimits, Users};
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
async fn an_attempt_at_a_browser_that_the_account_knows_is_counted_with_the_question_and_no_others(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let bob = user("bob@example.com");
    let _ = database.alone().insert_user(&bob, None).await.unwrap();
    let (known, unknown): (DeviceHash, DeviceHash) = ([1; 32].into(), [2; 32].into());
    database.alone().note_device(ann.id, known, NOON).await.unwrap();
    let bucket = Bucket { key: "ann here".to_owned(), quota: Quota::new(2, Duration::HOUR) };
    let ask = async |email: &str, device, now| {
        let email = EmailAddress::parse(email).unwrap();
        let counted = database.alone().find_credentials_and_take(&email, device, &bucket, now).await.unwrap();
        counted.map(|attempt| (attempt.found.credentials.user.id, attempt.counted))
    };
    let later = NOON + Duration::HOUR;
    for (email, device, now, told) in [
        ("ann@example.com", unknown, NOON, Some((ann.id, NotTheirs))),
        ("bob@example.com", known, NOON, Some((bob.id, NotTheirs))),
        ("eve@example.com", known, NOON, None),
        ("ann@example.com", known, NOON, Some((ann.id, Taken))),
        ("ann@example.com", known, NOON, Some((ann.id, Taken))),
        ("ann@example.com", known, NOON, Some((ann.id, Empty))),
        ("ann@example.com", unknown, NOON, Some((ann.id, NotTheirs))),
        ("ann@example.com", known, later, Some((ann.id, Taken))),
        ("ann@example.com", known, later, Some((ann.id, Empty))),
    ] {
        assert_eq!(ask(email, device, now).await, told, "{email} {device:?} {now}");
    }
    let levels = database.alone().list_bucket_levels(&[bucket]).await.unwrap();
    assert_eq!(levels[0].full_at, NOON + 3 * Duration::HOUR, "as if each had been taken by itself");
}

#[rstest]
#[tokio::test]
async fn of_attempts_at_one_browser_that_race_as_many_are_counted_as_there_are(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (test, database, ann, _) = house(kind).await;
    let device: DeviceHash = [1; 32].into();
    database.alone().note_device(ann.id, device, NOON).await.unwrap();
    let databases = [database, test.connect().await];
    let attempts = (0..60).map(|number: usize| {
        let (database, email) = (databases[number % 2].clone(), ann.email.clone());
        tokio::spawn(async move {
            let bucket = Bucket { key: "ann here".to_owned(), quota: Quota::new(7, Duration::HOUR) };
            let counted = database.alone().find_credentials_and_take(&email, device, &bucket, NOON).await;
            counted.unwrap().unwrap().counted == Taken
        })
    });
    let mut taken = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        taken += usize::from(attempt.await.unwrap());
    }
    assert_eq!(taken, 7);
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
