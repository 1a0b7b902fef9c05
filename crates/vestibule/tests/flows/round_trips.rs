use std::collections::BTreeMap;

use rstest::rstest;
use time::Duration;
use vestibule::models::{Client, Role};
use vestibule::services::Asked;
use vestibule_testkit::{DatabaseKind, House, PASSWORD, reading, writing};

const PAGE: &str = include_str!("../../../../docs/round-trips.md");

/// The table of the page: flow to number.
fn told() -> BTreeMap<String, u64> {
    PAGE.lines()
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            Some((cells.next()?.to_owned(), cells.next()?.parse().ok()?))
        })
        .collect()
}

#[rstest]
#[tokio::test]
async fn the_page_tells_how_often_each_flow_speaks_to_the_database(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let client = Client::default();
    let accounts = &house.accounts;
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    let mut before = house.database.round_trips();
    let mut count = |flow: &str| {
        let now = house.database.round_trips();
        counted.insert(flow.to_owned(), now - before);
        before = now;
    };

    let ann = house.signed_up("ann").await;
    count("sign up");
    let again = accounts.sign_up(vestibule_testkit::signing_up("ann@example.com", "Eve"), &client).await;
    assert!(again.is_err());
    count("sign up, address taken");
    house.log_in("ann@example.com", PASSWORD).await.unwrap();
    count("log in");
    assert!(house.log_in("ann@example.com", "wrong window thursday").await.is_err());
    count("log in, refused");
    accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.unwrap();
    count("session check");
    accounts.check_bearer(&ann.tokens.access, Asked::role(Role::User)).await.unwrap();
    count("session check of a bearer");
    let second = accounts.refresh(&writing(&ann), &client).await.unwrap();
    count("refresh");
    accounts.refresh(&writing(&ann), &client).await.unwrap();
    count("refresh, repeated");
    accounts.check_session(&reading(&second), Asked::role(Role::User)).await.unwrap();
    count("session check, the first after a refresh");
    let current = accounts.check_session(&writing(&second), Asked::role(Role::User)).await.unwrap();
    accounts.log_out(&current, &client).await.unwrap();
    count("log out, with its check");

    let bob = house.signed_up("bob").await;
    count("sign up");
    let second = accounts.refresh(&writing(&bob), &client).await.unwrap();
    accounts.refresh(&writing(&second), &client).await.unwrap();
    house.clock.advance(Duration::minutes(1));
    count("two refreshes");
    assert!(accounts.refresh(&writing(&bob), &client).await.is_err());
    count("refresh, an old secret");

    counted.remove("two refreshes");
    assert_eq!(told(), counted, "docs/round-trips.md tells what is counted");
    assert!(counted["session check"] == 1 && counted["log in"] <= 3 && counted["refresh"] <= 2);
}
