use rstest::rstest;
use time::Duration;
use vestibule::models::{Actor, AuditEventKind, KEY_LEARNING_TIME, KeyStanding, Role};
use vestibule::services::{Administrator, Asked, CheckError, LoggedIn, RotateKeysError, TakeOver};
use vestibule::{Accounts, Policy};
use vestibule_testkit::{DatabaseKind, House, HouseOptions, PASSWORD, reading, writing};

const SECOND: Duration = Duration::SECOND;

fn operator() -> Administrator {
    Administrator::at_the_command_line()
}

async fn is_taken(accounts: &Accounts, logged_in: &LoggedIn) -> bool {
    match accounts.check_bearer(&logged_in.tokens.access, Asked::role(Role::User)).await {
        Ok(_) => true,
        Err(CheckError::NotLoggedIn) => false,
        Err(error) => panic!("{error}"),
    }
}

/// The header of a token, which names its key.
fn header(logged_in: &LoggedIn) -> String {
    logged_in.tokens.access.split('.').next().unwrap().to_owned()
}

fn kids(accounts: &Accounts) -> Vec<String> {
    accounts.public_keys().into_iter().map(|key| key.kid).collect()
}

fn standings(accounts: &Accounts) -> Vec<KeyStanding> {
    accounts.list_keys().into_iter().map(|key| key.standing).collect()
}

/// More sessions than one, as quotas allow a log-in each few minutes.
async fn log_in(house: &House) -> LoggedIn {
    house.log_in("ann@example.com", PASSWORD).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn a_new_key_is_published_at_once_signs_later_and_the_old_one_goes_with_its_last_token(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let accounts = &house.accounts;
    let before = house.signed_up("ann").await;
    let old = kids(accounts);

    let new = accounts.rotate_keys(TakeOver::WhenKnown, &operator()).await.unwrap();
    assert_eq!(new.standing, KeyStanding::Waiting);
    assert_eq!(kids(accounts), [old[0].clone(), new.kid.clone()], "verifiers can learn it");
    let event = house.audit_trail().await.remove(0);
    assert_eq!((event.kind, event.actor), (AuditEventKind::KeysRotated, Actor::Operator));
    assert!(event.detail.contains(&new.kid));

    house.clock.advance(KEY_LEARNING_TIME - SECOND);
    let last = log_in(&house).await;
    assert_eq!(header(&last), header(&before), "the old one still signs");
    house.clock.advance(SECOND);
    let first = log_in(&house).await;
    assert_ne!(header(&first), header(&before), "the new one signs");
    assert_eq!(standings(accounts), [KeyStanding::Verifying, KeyStanding::Signing]);
    assert!(is_taken(accounts, &last).await && is_taken(accounts, &first).await);
    accounts.clean_up().await.unwrap();
    assert_eq!(house.count("SELECT COUNT(*) AS count FROM signing_keys").await, 2, "it is still needed");

    house.clock.advance(Duration::minutes(5) - SECOND * 2);
    assert!(is_taken(accounts, &last).await, "to the end of its own time");
    house.clock.advance(Duration::minutes(1));
    assert!(!is_taken(accounts, &last).await);
    assert_eq!(kids(accounts), std::slice::from_ref(&new.kid), "no verifier needs the old one");
    assert_eq!(accounts.clean_up().await.unwrap().keys, 1);
    assert_eq!(house.count("SELECT COUNT(*) AS count FROM signing_keys").await, 1);
    accounts.read_keys().await.unwrap();
    assert_eq!(standings(accounts), [KeyStanding::Signing]);
    assert!(
        accounts.refresh(&writing(&last), &vestibule_testkit::client()).await.is_ok(),
        "nobody is logged out"
    );
}

#[rstest]
#[tokio::test]
async fn while_a_key_waits_there_is_no_other_unless_at_once(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let waiting = house.accounts.rotate_keys(TakeOver::WhenKnown, &operator()).await.unwrap();
    let refused = house.accounts.rotate_keys(TakeOver::WhenKnown, &operator()).await;
    assert!(matches!(&refused, Err(RotateKeysError::OneWaits { kid, .. }) if *kid == waiting.kid));
    assert_eq!(house.audit_kinds().await, [AuditEventKind::KeysRotated], "the refused one is no event");
    let new = house.accounts.rotate_keys(TakeOver::AtOnce, &operator()).await.unwrap();
    assert_eq!(kids(&house.accounts), [new.kid], "one that waits may be in foreign hands as well");
}

#[rstest]
#[tokio::test]
async fn of_rotations_at_the_same_moment_one_makes_a_key(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let other = house.second_server().await;
    let rotations: Vec<_> = (0..8)
        .map(|number| {
            let accounts = if number % 2 == 0 { &house } else { &other }.accounts.clone();
            tokio::spawn(async move { accounts.rotate_keys(TakeOver::WhenKnown, &operator()).await.is_ok() })
        })
        .collect();
    let mut made = 0;
    for rotation in rotations {
        made += usize::from(rotation.await.unwrap());
    }
    assert_eq!((made, house.count("SELECT COUNT(*) AS count FROM signing_keys").await), (1, 2));
}

#[rstest]
#[tokio::test]
async fn a_leaked_key_is_worth_nothing_at_once_and_browsers_refresh(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let accounts = &house.accounts;
    let ann = house.signed_up("ann").await;
    assert!(is_taken(accounts, &ann).await);
    let new = accounts.rotate_keys(TakeOver::AtOnce, &operator()).await.unwrap();
    assert_eq!((new.standing, kids(accounts)), (KeyStanding::Signing, vec![new.kid]));
    assert!(!is_taken(accounts, &ann).await, "what the old one signed is refused");
    let asked = accounts.check_session(&reading(&ann), Asked::ACCOUNT).await;
    assert!(matches!(asked, Err(CheckError::AccessTokenExpired)), "and a browser is told to refresh");
    let refreshed = accounts.refresh(&writing(&ann), &vestibule_testkit::client()).await.unwrap();
    assert!(is_taken(accounts, &refreshed).await);
    assert_ne!(header(&refreshed), header(&ann));
    assert!(house.audit_trail().await[0].detail.contains("at once"));
}

#[rstest]
#[tokio::test]
async fn another_server_follows_the_first_token_of_a_new_key_and_otherwise_in_turn(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let other = house.second_server().await;
    let before = house.signed_up("ann").await;
    house.accounts.rotate_keys(TakeOver::AtOnce, &operator()).await.unwrap();
    assert!(is_taken(&other.accounts, &before).await, "it does not know yet");
    let after = log_in(&house).await;
    // Many requests bring the new key at once: one reads the keys, and all are answered.
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let (accounts, after) = (other.accounts.clone(), after.clone());
            tokio::spawn(async move { is_taken(&accounts, &after).await })
        })
        .collect();
    for request in requests {
        assert!(request.await.unwrap(), "it learns the key from its token");
    }
    assert!(!is_taken(&other.accounts, &before).await, "and with it that the old one is gone");

    house.clock.advance(Duration::minutes(1));
    house.accounts.rotate_keys(TakeOver::WhenKnown, &operator()).await.unwrap();
    assert_ne!(kids(&other.accounts), kids(&house.accounts));
    other.accounts.read_keys().await.unwrap();
    assert_eq!(kids(&other.accounts), kids(&house.accounts));
}

#[rstest]
#[tokio::test]
async fn made_up_keys_cost_one_question_in_five_seconds(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let stranger = House::open(kind).await.signed_up("eve").await;
    house.clock.advance(Duration::minutes(1));
    let before = house.database.round_trips();
    for _ in 0..50 {
        assert!(!is_taken(&house.accounts, &stranger).await);
    }
    assert_eq!(house.database.round_trips() - before, 1);
    house.clock.advance(Duration::seconds(6));
    assert!(!is_taken(&house.accounts, &stranger).await);
    assert_eq!(house.database.round_trips() - before, 2);
}

#[rstest]
#[tokio::test]
async fn without_the_database_a_key_that_is_not_known_is_no_refusal(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let stranger = House::open(kind).await.signed_up("eve").await;
    house.database.close().await;
    let asked = house.accounts.check_bearer(&stranger.tokens.access, Asked::ACCOUNT).await;
    assert!(matches!(asked, Err(CheckError::Store(_))), "{asked:?}");
}

#[rstest]
#[tokio::test]
async fn another_access_ttl_orphans_no_token(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    // An installation whose tokens live for three hours...
    let long = |policy: Policy| Policy { access_ttl: Duration::hours(3), ..policy };
    let options = HouseOptions { policy: long, ..HouseOptions::default() };
    let test = vestibule_testkit::TestDatabase::create(kind).await;
    let house = House::open_on(&test, options.clone()).await.unwrap();
    let ann = house.signed_up("ann").await;
    // ...is started anew with five minutes, and its key rotated.
    let short = HouseOptions { policy: |policy| policy, ..options };
    let short = House::open_on(&test, short).await.unwrap();
    short.accounts.rotate_keys(TakeOver::WhenKnown, &operator()).await.unwrap();
    house.clock.advance(Duration::hours(3) - SECOND);
    short.accounts.clean_up().await.unwrap();
    short.accounts.read_keys().await.unwrap();
    assert!(is_taken(&short.accounts, &ann).await, "the token is still good");

    // A server whose tokens live longer notes that on the key that another one made, before it signs with it.
    house.accounts.read_keys().await.unwrap();
    let bob = house.signed_up("bob").await;
    short.accounts.rotate_keys(TakeOver::WhenKnown, &operator()).await.unwrap();
    house.clock.advance(Duration::hours(3) - SECOND);
    short.accounts.clean_up().await.unwrap();
    short.accounts.read_keys().await.unwrap();
    assert!(is_taken(&short.accounts, &bob).await);
}
