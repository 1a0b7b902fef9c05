//! The server's secret gets a successor: added at the end of every server's list, moved to the front, and the old one removed
//! when no session needs it any more.

use rstest::rstest;
use time::Duration;
use vestibule::OpenError;
use vestibule::models::{SecretKey, SecretKeys};
use vestibule::services::{Asked, CheckError, LoggedIn, RefreshError};
use vestibule_testkit::{
    DatabaseKind, House, HouseOptions, PASSWORD, TestDatabase, client, reading, secret_key, writing,
};

/// A server of an installation with these secrets.
async fn server(of: &House, secret: SecretKeys) -> House {
    let options = HouseOptions { secret, clock: of.clock.clone(), ..HouseOptions::default() };
    House::open_on(of.test_database(), options).await.unwrap()
}

async fn first_server(kind: DatabaseKind, secret: SecretKey) -> House {
    let options = HouseOptions { secret: secret.into(), ..HouseOptions::default() };
    House::open_on(&TestDatabase::create(kind).await, options).await.unwrap()
}

fn list<const N: usize>(keys: [&SecretKey; N]) -> SecretKeys {
    keys.map(Clone::clone).try_into().unwrap()
}

async fn is_logged_in(house: &House, cookies: &LoggedIn) -> bool {
    house.accounts.check_session(&reading(cookies), Asked::ACCOUNT).await.is_ok()
}

async fn refresh(house: &House, cookies: &LoggedIn) -> LoggedIn {
    house.accounts.refresh(&writing(cookies), &client()).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn step_by_step_nobody_is_logged_out_and_dropping_the_old_secret_ends_only_what_was_not_seen(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (old, new) = (secret_key(), secret_key());
    let before = first_server(kind, old.clone()).await;
    let (ann, bob) = (before.signed_up("ann").await, before.signed_up("bob").await);

    // Added at the end, everywhere, one server after the other.
    let added = server(&before, list([&old, &new])).await;
    assert!(is_logged_in(&added, &ann).await && is_logged_in(&added, &bob).await);
    let ann = refresh(&added, &ann).await;
    assert!(is_logged_in(&before, &ann).await, "the old secret still makes what is new");

    // Moved to the front, one server after the other.
    let moved = server(&before, list([&new, &old])).await;
    assert!(is_logged_in(&moved, &ann).await);
    let ann = refresh(&moved, &ann).await;
    assert!(is_logged_in(&added, &ann).await, "what the new secret makes is taken where it is the second");
    let ann = refresh(&added, &ann).await;
    before.clock.advance(Duration::minutes(6));
    assert!(matches!(
        moved.accounts.check_session(&reading(&ann), Asked::ACCOUNT).await,
        Err(CheckError::AccessTokenExpired)
    ));
    let ann = refresh(&moved, &ann).await;

    // The old one is removed.
    let done = server(&before, new.into()).await;
    assert!(is_logged_in(&done, &ann).await, "who came by since has cookies of the new secret");
    let ann = refresh(&done, &ann).await;
    assert!(is_logged_in(&done, &ann).await);
    let refused = done.accounts.refresh(&writing(&bob), &client()).await;
    assert!(matches!(refused, Err(RefreshError::NotLoggedIn)), "who did not has none: {refused:?}");
    assert!(done.log_in("bob@example.com", PASSWORD).await.is_ok(), "and logs in");
    assert!(!done.outbox_kinds().await.contains(&vestibule::models::MailKind::RefreshReused));
}

#[rstest]
#[tokio::test]
async fn a_device_is_known_under_every_secret_of_the_list(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (old, new) = (secret_key(), secret_key());
    let before = first_server(kind, old.clone()).await;
    let ann = before.signed_up("ann").await;
    let log_in = async |house: &House, device: &str| {
        let typed =
            vestibule::services::LogIn { email: "ann@example.com", password: PASSWORD, devices: &[device] };
        let logged_in = house.accounts.log_in(typed, &client()).await.unwrap();
        house.clock.advance(Duration::minutes(30));
        logged_in.tokens.device.unwrap()
    };
    let count = "SELECT COUNT(*) AS count FROM devices";
    let devices = before.count(count).await;
    let moved = server(&before, list([&new, &old])).await;
    let under_new = log_in(&moved, ann.tokens.device.as_deref().unwrap()).await;
    assert_ne!(
        Some(under_new.as_str()),
        ann.tokens.device.as_deref(),
        "its cookie is made under the new one"
    );
    let done = server(&before, new.into()).await;
    log_in(&done, &under_new).await;
    assert_eq!(before.count(count).await, devices, "and it is the same browser all the while");
}

#[rstest]
#[tokio::test]
async fn signing_keys_are_sealed_anew_under_the_newest_secret_at_the_start(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (old, new) = (secret_key(), secret_key());
    let before = first_server(kind, old.clone()).await;
    let keys = before.accounts.public_keys();
    let open = async |secret: SecretKeys| {
        let options = HouseOptions { secret, ..HouseOptions::default() };
        House::open_on(before.test_database(), options).await
    };
    assert!(matches!(open(new.clone().into()).await.err(), Some(OpenError::SigningKey(_))));
    assert!(open(list([&old, &new])).await.is_ok());
    assert!(open(old.clone().into()).await.is_ok(), "at the end of a list it changes nothing");
    assert!(open(list([&new, &old])).await.is_ok());
    let after = open(new.into()).await.unwrap();
    assert_eq!(after.accounts.public_keys(), keys, "the keys are the same");
    assert!(matches!(open(old.into()).await.err(), Some(OpenError::SigningKey(_))));
}

/// Both refresh the same session at the same moment, each under another secret. One of them is the one whose successor holds,
/// and the other answers with it.
#[rstest]
#[tokio::test]
async fn refreshes_at_once_under_secrets_in_another_order_agree(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (old, new) = (secret_key(), secret_key());
    let first = first_server(kind, old.clone()).await;
    let servers = [server(&first, list([&old, &new])).await, server(&first, list([&new, &old])).await];
    let mut cookies = first.signed_up("ann").await;
    for round in 0..10 {
        let refreshes: Vec<_> = (0..8)
            .map(|number| {
                let (accounts, cookies) = (servers[number % 2].accounts.clone(), cookies.clone());
                tokio::spawn(async move { accounts.refresh(&writing(&cookies), &client()).await })
            })
            .collect();
        let mut secrets = std::collections::BTreeSet::new();
        for refreshed in refreshes {
            cookies = refreshed.await.unwrap().unwrap_or_else(|error| panic!("round {round}: {error}"));
            // Session id and secret; the MAC behind them is each server's own.
            secrets.insert(cookies.tokens.refresh.rsplit_once('.').unwrap().0.to_owned());
        }
        assert_eq!(secrets.len(), 1, "round {round}");
        assert!(is_logged_in(&servers[round % 2], &cookies).await);
        first.clock.advance(Duration::minutes(1));
    }
}
