//! How often passwords, links and addresses can be tried.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use rstest::rstest;
use time::Duration;
use vestibule::models::{Client, MailKind, Quota, RateLimits, TooManyAttempts};
use vestibule::ports::{HasherError, HashingSlots, Overloaded};
use vestibule::services::{
    ChangeEmail, ChangeEmailError, ChangePassword, ChangePasswordError, ConfirmEmail, ConfirmEmailError,
    ConfirmPasswordError, CurrentPasswordError, DeleteAccountError, LogIn, LogInError, LoggedIn,
    ResetPassword, SignUpError,
};
use vestibule::{Accounts, Policy};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{
    Changed, HasherChange, House, HouseOptions, PASSWORD, TestDatabase, client, least_slots, signing_up,
};

const ANN: &str = "ann@example.com";
const WRONG: &str = "wrong window thursday";

/// Small quotas, each of another size, so that a test tells which one refused.
fn small(policy: Policy) -> Policy {
    let hour = Duration::hours(1);
    let rate_limits = RateLimits {
        passwords_by_pair: Quota::new(3, hour),
        passwords_by_device: Quota::new(4, hour),
        passwords_by_account: Quota::new(5, hour),
        passwords_by_address: Quota::new(7, hour),
        sign_ups_by_address: Quota::new(6, hour),
        links_by_address: Quota::new(2, hour),
        mails_by_address: Quota::new(2, hour),
        ..RateLimits::default()
    };
    Policy { rate_limits: Some(rate_limits), ..policy }
}

async fn house(kind: DatabaseKind) -> House {
    let options = HouseOptions { policy: small, ..HouseOptions::default() };
    House::open_on(&TestDatabase::create(kind).await, options).await.unwrap()
}

fn at(ip: &str) -> Client {
    Client::new(Some(ip.parse::<IpAddr>().unwrap()), None)
}

async fn guess(accounts: &Accounts, email: &str, devices: &[&str], client: &Client) -> LogInError {
    let typed = LogIn { email, password: WRONG, devices };
    accounts.log_in(typed, client).await.unwrap_err()
}

/// How many guesses are looked at before the next is refused.
async fn guesses(house: &House, email: &str, devices: &[&str], client: &Client) -> u32 {
    for number in 0..100 {
        match guess(&house.accounts, email, devices, client).await {
            LogInError::WrongCredentials => {}
            LogInError::TooMany(_) => return number,
            other => panic!("{other:?}"),
        }
    }
    panic!("never refused");
}

fn device(logged_in: &LoggedIn) -> &str {
    logged_in.tokens.device.as_deref().unwrap()
}

#[rstest]
#[tokio::test]
async fn of_a_hundred_guesses_that_race_exactly_the_allowed_number_is_looked_at(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    house.signed_up("ann").await;
    let racing = (0..100).map(|_| {
        let accounts = Arc::clone(&house.accounts);
        tokio::spawn(async move { guess(&accounts, ANN, &[], &at("203.0.113.9")).await })
    });
    let mut looked_at = 0;
    for guess in racing.collect::<Vec<_>>() {
        match guess.await.unwrap() {
            LogInError::WrongCredentials => looked_at += 1,
            LogInError::TooMany(TooManyAttempts { retry_after, .. }) => assert!(retry_after.is_positive()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(looked_at, 3);
}

#[rstest]
#[tokio::test]
async fn guesses_are_counted_by_pair_account_and_address(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind).await;
    house.signed_up("ann").await;
    assert_eq!(guesses(&house, ANN, &[], &at("203.0.113.1")).await, 3, "one address at one account");
    assert_eq!(guesses(&house, ANN, &[], &at("203.0.113.2")).await, 2, "all addresses at one account");
    let spraying = at("203.0.113.3");
    let mut looked_at = 0;
    for number in 0..10 {
        let error = guess(&house.accounts, &format!("user{number}@example.com"), &[], &spraying).await;
        looked_at += u32::from(matches!(error, LogInError::WrongCredentials));
    }
    assert_eq!(looked_at, 7, "one address at all accounts");
    house.clock.advance(Duration::hours(1));
    assert_eq!(guesses(&house, ANN, &[], &at("203.0.113.4")).await, 1, "one more an hour");
}

#[rstest]
#[tokio::test]
async fn an_account_under_attack_stays_open_to_the_browser_of_its_owner(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let ann = house.signed_up("ann").await;
    let eve = house.signed_up("eve").await;
    for network in 0..20 {
        guesses(&house, ANN, &[], &at(&format!("203.0.113.{network}"))).await;
    }
    let stranger = at("198.51.100.7");
    let typed = |devices| LogIn { email: ANN, password: PASSWORD, devices };
    let refused = house.accounts.log_in(typed(&[]), &stranger).await;
    assert!(matches!(refused, Err(LogInError::TooMany(_))), "an unknown browser waits");
    let of_eve = [device(&eve)];
    let refused = house.accounts.log_in(typed(&of_eve), &stranger).await;
    assert!(matches!(refused, Err(LogInError::TooMany(_))), "so does that of somebody else");
    let devices = [device(&ann)];
    assert!(house.accounts.log_in(typed(&devices), &stranger).await.is_ok());
    assert_eq!(guesses(&house, ANN, &devices, &stranger).await, 3, "it has a quota too");
}

#[rstest]
#[tokio::test]
async fn who_resets_the_password_gets_in_although_others_still_guess(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    house.signed_up("ann").await;
    house.accounts.forgot_password(ANN, &at("198.51.100.7")).await.unwrap();
    for network in 0..20 {
        guesses(&house, ANN, &[], &at(&format!("203.0.113.{network}"))).await;
    }
    house.deliver().await;
    let token = house.post.token_of(MailKind::ResetPassword, ANN);
    let typed = ResetPassword { token: &token, password: "velvet orchard seventeen", devices: &[] };
    let device = house.accounts.reset_password(typed, &at("198.51.100.7")).await.unwrap();
    let typed = LogIn { email: ANN, password: "velvet orchard seventeen", devices: &[&device] };
    assert!(house.accounts.log_in(typed, &at("198.51.100.7")).await.is_ok());
}

#[rstest]
#[tokio::test]
async fn a_success_gives_back_what_it_took_itself_and_nothing_else(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    house.signed_up("ann").await;
    house.signed_up("eve").await;
    let eves = at("203.0.113.9");
    for _ in 0..20 {
        let typed = LogIn { email: "eve@example.com", password: PASSWORD, devices: &[] };
        assert!(house.accounts.log_in(typed, &eves).await.is_ok(), "who mistypes nothing is not limited");
    }
    let mut looked_at = 0;
    for number in 0..12 {
        let error = guess(&house.accounts, &format!("user{number}@example.com"), &[], &eves).await;
        looked_at += u32::from(matches!(error, LogInError::WrongCredentials));
        let typed = LogIn { email: "eve@example.com", password: PASSWORD, devices: &[] };
        let _ = house.accounts.log_in(typed, &eves).await;
    }
    assert_eq!(looked_at, 7, "a log-in to one's own account between guesses clears nothing");
}

#[rstest]
#[tokio::test]
async fn every_door_that_asks_for_the_password_shares_one_count(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    let ann = house.signed_up("ann").await;
    let confirming = house.mailed_token(ANN).await;
    let current = house.current(&ann).await;
    let accounts = &house.accounts;
    let devices = [device(&ann)];
    let wrong = |error: &CurrentPasswordError| matches!(error, CurrentPasswordError::Wrong);

    let typed = ChangePassword { current_password: WRONG, new_password: "velvet orchard seventeen" };
    let error = accounts.change_password(&current, typed, &client()).await.unwrap_err();
    assert!(matches!(&error, ChangePasswordError::CurrentPassword(error) if wrong(error)));
    let typed = ChangeEmail { email: "ann@example.org", current_password: WRONG };
    let error = accounts.change_email(&current, typed, &client()).await.unwrap_err();
    assert!(matches!(&error, ChangeEmailError::CurrentPassword(error) if wrong(error)));
    let error = accounts.delete_account(&current, WRONG, &client()).await.unwrap_err();
    assert!(matches!(&error, DeleteAccountError::CurrentPassword(error) if wrong(error)));
    let error = accounts.confirm_password(&current, WRONG, &client()).await.unwrap_err();
    assert!(matches!(&error, ConfirmPasswordError::CurrentPassword(error) if wrong(error)));

    // The four of the browser are used up, at every door and for the right password too.
    let limited = |error: &CurrentPasswordError| matches!(error, CurrentPasswordError::TooMany(_));
    let error = accounts.confirm_password(&current, PASSWORD, &client()).await.unwrap_err();
    assert!(matches!(&error, ConfirmPasswordError::CurrentPassword(error) if limited(error)));
    let typed = ConfirmEmail { token: &confirming, password: Some(PASSWORD), devices: &devices };
    let error = accounts.confirm_email(typed, None, &client()).await.unwrap_err();
    assert!(matches!(&error, ConfirmEmailError::Password(error) if limited(error)));
    let typed = LogIn { email: ANN, password: PASSWORD, devices: &devices };
    assert!(matches!(accounts.log_in(typed, &client()).await, Err(LogInError::TooMany(_))));
}

#[rstest]
#[tokio::test]
async fn spellings_of_one_address_share_one_count(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind).await;
    house.signed_up("ann").await;
    let spellings = ["ANN@example.com", " ann@EXAMPLE.com ", "Ann@example.com", "ann@example.com"];
    let client = at("203.0.113.9");
    let mut looked_at = 0;
    for spelling in spellings {
        let error = guess(&house.accounts, spelling, &[], &client).await;
        looked_at += u32::from(matches!(error, LogInError::WrongCredentials));
    }
    assert_eq!(looked_at, 3);
}

#[rstest]
#[tokio::test]
async fn an_address_of_the_same_ipv6_network_is_the_same_guesser(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    house.signed_up("ann").await;
    assert_eq!(guesses(&house, ANN, &[], &at("2001:db8::1")).await, 3);
    assert_eq!(guesses(&house, ANN, &[], &at("2001:db8::ffff:1")).await, 0);
}

#[rstest]
#[tokio::test]
async fn without_a_known_address_the_account_alone_is_counted(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    house.signed_up("ann").await;
    let unknown = Client::default();
    assert_eq!(guesses(&house, ANN, &[], &unknown).await, 5);
    assert_eq!(guesses(&house, "bob@example.com", &[], &unknown).await, 5, "others are not shut out");
    for number in 0..20 {
        let email = format!("user{number}@example.com");
        assert!(house.accounts.sign_up(signing_up(&email, "User"), &unknown).await.is_ok());
    }
}

#[rstest]
#[tokio::test]
async fn sign_ups_links_and_mails_are_counted_by_address(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind).await;
    let (client, other) = (at("203.0.113.9"), at("203.0.113.10"));
    let accounts = &house.accounts;
    for number in 0..6 {
        assert!(accounts.sign_up(signing_up(&format!("u{number}@example.com"), "U"), &client).await.is_ok());
    }
    let refused = accounts.sign_up(signing_up("u6@example.com", "U"), &client).await;
    assert!(matches!(refused, Err(SignUpError::TooMany(_))));
    assert!(house.user("u6@example.com").await.is_none());
    assert!(accounts.sign_up(signing_up("u6@example.com", "U"), &other).await.is_ok());

    for _ in 0..2 {
        assert!(accounts.forgot_password(ANN, &client).await.is_ok());
    }
    assert!(accounts.forgot_password("u1@example.com", &client).await.is_err());
    assert!(accounts.forgot_password("u1@example.com", &other).await.is_ok());
    let resets = house.outbox_kinds().await.into_iter().filter(|kind| *kind == MailKind::ResetPassword);
    assert_eq!(resets.count(), 3, "what was refused is not written down");

    let typed = ResetPassword { token: "x", password: PASSWORD, devices: &[] };
    let told = async |client: &Client| accounts.reset_password(typed, client).await.unwrap_err().to_string();
    for _ in 0..2 {
        assert_eq!(told(&client).await, "the link is not good any more");
    }
    assert!(told(&client).await.contains("too many attempts"));
    assert_eq!(told(&other).await, "the link is not good any more");
}

#[rstest]
#[tokio::test]
async fn quotas_outlast_a_restart_and_are_shared_by_all_servers(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    house.signed_up("ann").await;
    let client = at("203.0.113.9");
    assert!(matches!(guess(&house.accounts, ANN, &[], &client).await, LogInError::WrongCredentials));
    let second = house.second_server().await;
    assert_eq!(guesses(&second, ANN, &[], &client).await, 2);
    assert!(matches!(guess(&house.accounts, ANN, &[], &client).await, LogInError::TooMany(_)));
}

/// The thief of a session can change the name as often as the account may, and try to throw the owner out; the owner still throws
/// the thief out.
#[rstest]
#[tokio::test]
async fn who_has_stolen_a_session_cannot_keep_the_owner_from_ending_it(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let stolen = house.signed_up("ann").await;
    let own = house.log_in(ANN, PASSWORD).await.unwrap();
    let thief = house.current(&stolen).await;
    let mut refused = 0;
    for number in 0..40 {
        let name = format!("Ann {number}");
        refused += u32::from(house.accounts.change_name(&thief, &name, &client()).await.is_err());
    }
    assert!(refused > 0, "the changes of the account are used up");
    let owner = house.current(&own).await;
    assert_eq!(house.accounts.end_other_sessions(&owner, &client()).await.unwrap(), 1);
}

#[rstest]
#[tokio::test]
async fn who_comes_back_before_the_time_that_was_told_costs_no_statement(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    house.signed_up("ann").await;
    let eve = at("203.0.113.9");
    for email in [ANN, "nobody@example.com"] {
        guesses(&house, email, &[], &eve).await;
        let before = house.database.round_trips();
        let LogInError::TooMany(refused) = guess(&house.accounts, email, &[], &eve).await else {
            panic!("more than the quota of {email} is looked at");
        };
        assert_eq!(house.database.round_trips(), before, "{email}");
        assert_eq!(refused.retry_after, Duration::hours(1));
    }
    let elsewhere = guess(&house.accounts, ANN, &[], &at("203.0.113.10")).await;
    assert!(matches!(elsewhere, LogInError::WrongCredentials), "that was one address's quota: {elsewhere:?}");
    house.clock.advance(Duration::hours(1));
    let later = guess(&house.accounts, "nobody@example.com", &[], &eve).await;
    assert!(matches!(later, LogInError::WrongCredentials), "{later:?}");
}

/// A hasher with room for those alone who are known.
struct FullOfStrangers(HashingSlots);

#[async_trait]
impl HasherChange for FullOfStrangers {
    fn real(&self) -> &HashingSlots {
        &self.0
    }

    fn room_for_a_stranger(&self) -> Result<(), Overloaded> {
        Err(Overloaded { retry_after: std::time::Duration::from_secs(3) })
    }
}

#[rstest]
#[tokio::test]
async fn a_stranger_for_whom_there_is_no_room_is_sent_away_before_anything_is_read_or_counted(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let hasher = Changed(FullOfStrangers(least_slots()));
    let options = HouseOptions { hasher: Some(Arc::new(hasher)), policy: small, ..HouseOptions::default() };
    let house = House::open_on(&TestDatabase::create(kind).await, options).await.unwrap();
    let ann = house.signed_up("ann").await;
    let before = house.database.round_trips();
    for _ in 0..20 {
        let refused = guess(&house.accounts, ANN, &[], &at("203.0.113.9")).await;
        assert!(matches!(refused, LogInError::Hasher(HasherError::Overloaded(_))), "{refused:?}");
    }
    assert_eq!(house.database.round_trips(), before);
    let devices = [device(&ann)];
    for email in ["bob@example.com", "nobody@example.com"] {
        let refused = guess(&house.accounts, email, &devices, &at("203.0.113.9")).await;
        assert!(matches!(refused, LogInError::Hasher(HasherError::Overloaded(_))), "{refused:?}");
    }
    assert_eq!(
        house.database.round_trips(),
        before + 2,
        "whose browser it is had to be read, and nothing was counted"
    );
    let typed = LogIn { email: ANN, password: PASSWORD, devices: &devices };
    assert!(house.accounts.log_in(typed, &client()).await.is_ok(), "the owner's browser is no stranger");
}
