use rstest::rstest;
use vestibule::OpenError;
use vestibule::models::Role;
use vestibule::services::Asked;
use vestibule_testkit::{DatabaseKind, House, HouseOptions, TestDatabase, secret_key};

#[rstest]
#[tokio::test]
async fn servers_that_start_at_once_share_one_key(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let database = TestDatabase::create(kind).await;
    let options = HouseOptions::default();
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let (database, options) = (database.clone(), options.clone());
            tokio::spawn(async move { House::open_on(&database, options).await.unwrap() })
        })
        .collect();
    let mut houses = Vec::new();
    for start in starts {
        houses.push(start.await.unwrap());
    }
    let keys = houses[0].accounts.public_keys();
    assert_eq!(keys.len(), 1);
    assert!(houses.iter().all(|house| house.accounts.public_keys() == keys));

    let ann = houses[0].signed_up("ann").await;
    for house in &houses {
        assert!(house.accounts.check_bearer(&ann.tokens.access, Asked::role(Role::User)).await.is_ok());
    }
}

#[rstest]
#[tokio::test]
async fn another_secret_cannot_open_the_keys(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let options = HouseOptions { secret: secret_key().into(), ..HouseOptions::default() };
    let refused = House::open_on(house.test_database(), options).await;
    assert!(matches!(refused.err(), Some(OpenError::SigningKey(_))));
}

#[tokio::test]
async fn a_token_of_another_public_url_is_refused() {
    let house = House::open(DatabaseKind::Sqlite).await;
    let options = HouseOptions {
        public_url: "https://staging.example.com".into(),
        secret: house.secret().clone(),
        clock: house.clock.clone(),
        ..HouseOptions::default()
    };
    let staging = House::open_on(house.test_database(), options).await.unwrap();
    let ann = staging.signed_up("ann").await;
    assert!(staging.accounts.check_bearer(&ann.tokens.access, Asked::role(Role::User)).await.is_ok());
    assert!(house.accounts.check_bearer(&ann.tokens.access, Asked::role(Role::User)).await.is_err());
}
