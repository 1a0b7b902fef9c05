use std::collections::BTreeSet;

use rstest::rstest;
use time::Duration;
use vestibule::models::{Bucket, Quota};
use vestibule::repository::RateLimits;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestDatabase;

use crate::fixtures::NOON;

const HOUR: Duration = Duration::hours(1);

fn bucket(key: &str, burst: u32) -> Bucket {
    Bucket { key: key.to_owned(), quota: Quota::new(burst, HOUR) }
}

#[rstest]
#[tokio::test]
async fn a_bucket_gives_as_many_as_it_holds_and_one_more_each_time_that_passes(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let buckets = [bucket("one", 3)];
    let take = async |now| database.alone().take_from_buckets(&buckets, now).await.unwrap();
    for _ in 0..3 {
        assert!(take(NOON).await);
    }
    assert!(!take(NOON).await);
    assert!(!take(NOON + HOUR - Duration::MICROSECOND).await);
    assert!(take(NOON + HOUR).await, "one more");
    assert!(!take(NOON + HOUR).await);
    let much_later = NOON + Duration::days(9);
    for _ in 0..3 {
        assert!(take(much_later).await);
    }
    assert!(!take(much_later).await, "a bucket never holds more than its burst");
    let levels = database.alone().list_bucket_levels(&buckets).await.unwrap();
    assert_eq!(levels.len(), 1);
    assert_eq!(levels[0].full_at, much_later + 3 * HOUR);
    assert_eq!(levels[0].opens_at(), much_later + HOUR);
}

#[rstest]
#[tokio::test]
async fn what_one_bucket_refuses_is_taken_from_none(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let (small, middle, large) = (bucket("small", 1), bucket("middle", 2), bucket("large", 3));
    let all = [large.clone(), small.clone(), middle.clone()];
    let take = async |buckets: &[Bucket]| database.alone().take_from_buckets(buckets, NOON).await.unwrap();
    assert!(take(&all).await);
    for _ in 0..5 {
        assert!(!take(&all).await);
    }
    assert!(take(&[middle.clone(), large.clone()]).await);
    assert!(!take(&[middle]).await);
    assert!(take(std::slice::from_ref(&large)).await && !take(&[large]).await);
    assert!(take(&[]).await, "nothing is always there");
}

#[rstest]
#[tokio::test]
async fn of_attempts_that_race_as_many_pass_as_the_smallest_bucket_holds(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let databases = [test.connect().await, test.connect().await];
    let attempts = (0..100).map(|number: usize| {
        let database = databases[number % 2].clone();
        // In every order, so that two that wait for each other in a circle would be seen.
        let mut buckets = vec![bucket("account", 7), bucket(&format!("address {}", number % 5), 50)];
        buckets.push(bucket(&format!("pair {}", number % 5), 6));
        buckets.rotate_left(number % 3);
        tokio::spawn(async move { database.alone().take_from_buckets(&buckets, NOON).await.unwrap() })
    });
    let mut passed = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        passed += usize::from(attempt.await.unwrap());
    }
    // One that lost a race took from some of its buckets. It never passes more than there is.
    assert!((1..=7).contains(&passed), "{passed}");
    let alone = [bucket("alone", 9)];
    let attempts = (0..100).map(|number: usize| {
        let (database, alone) = (databases[number % 2].clone(), alone.clone());
        tokio::spawn(async move { database.alone().take_from_buckets(&alone, NOON).await.unwrap() })
    });
    let mut passed = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        passed += usize::from(attempt.await.unwrap());
    }
    assert_eq!(passed, 9);
}

#[rstest]
#[tokio::test]
async fn what_is_given_back_can_be_taken_again(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let both = [bucket("one", 2), bucket("two", 2)];
    let mut alone = database.alone();
    alone.give_back_to_buckets(&both, NOON).await.unwrap();
    assert!(alone.list_bucket_levels(&both).await.unwrap().is_empty(), "nothing was taken");
    assert!(alone.take_from_buckets(&both, NOON).await.unwrap());
    assert!(alone.take_from_buckets(&both, NOON).await.unwrap());
    alone.give_back_to_buckets(&both, NOON).await.unwrap();
    assert!(alone.take_from_buckets(&both, NOON).await.unwrap());
    assert!(!alone.take_from_buckets(&both, NOON).await.unwrap());
}

#[rstest]
#[tokio::test]
async fn buckets_that_are_full_again_are_forgotten(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let mut alone = database.alone();
    let buckets = [bucket("one", 5), bucket("two", 5), bucket("three", 5)];
    assert!(alone.take_from_buckets(&buckets, NOON).await.unwrap());
    assert!(alone.take_from_buckets(&buckets[..1], NOON).await.unwrap());
    assert_eq!(alone.delete_full_buckets(NOON + HOUR, 10).await.unwrap(), 0);
    let later = NOON + HOUR + Duration::SECOND;
    assert_eq!(alone.delete_full_buckets(later, 1).await.unwrap(), 1);
    assert_eq!(alone.delete_full_buckets(later, 10).await.unwrap(), 1);
    let left = alone.list_bucket_levels(&buckets).await.unwrap();
    assert_eq!(left.iter().map(|level| level.full_at).collect::<BTreeSet<_>>(), [NOON + 2 * HOUR].into());
}
