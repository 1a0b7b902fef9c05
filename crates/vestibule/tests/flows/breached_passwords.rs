//! Leaked passwords, at every door that takes a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use rstest::rstest;
use vestibule::models::{InvalidInput, LeakFingerprint, Role};
use vestibule::ports::BreachedPasswords;
use vestibule::services::{
    AddUser, AddUserError, Administrator, ChangePassword, ChangePasswordError, JudgePassword, PasswordOf,
    ResetPassword, ResetPasswordError, SignUp, SignUpError,
};
use vestibule_testkit::{DatabaseKind, House, HouseOptions, PASSWORD, TestDatabase, client};

const LEAKED: &str = "velvet orchard seventeen";
const GOOD: &str = "marble ladder november";

/// Somebody who knows of one leaked password, and counts who asks.
#[derive(Default)]
struct Leak(AtomicUsize, bool);

#[async_trait]
impl BreachedPasswords for Leak {
    async fn contain(&self, password: &LeakFingerprint) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        password.key() == LeakFingerprint::of(LEAKED).key()
    }

    fn asks_outside(&self) -> bool {
        self.1
    }
}

/// A house that asks two, of which only the second knows.
async fn house(kind: DatabaseKind) -> (House, Arc<Leak>) {
    struct Nothing;
    #[async_trait]
    impl BreachedPasswords for Nothing {
        async fn contain(&self, _: &LeakFingerprint) -> bool {
            false
        }
    }
    let leak = Arc::new(Leak::default());
    let breached_passwords: Vec<Arc<dyn BreachedPasswords>> = vec![Arc::new(Nothing), leak.clone()];
    let options = HouseOptions { breached_passwords, ..HouseOptions::default() };
    let house = House::open_on(&TestDatabase::create(kind).await, options).await.unwrap();
    (house, leak)
}

#[track_caller]
fn assert_breached(invalid: &InvalidInput, field: &str) {
    let [refused] = &invalid.fields[..] else { panic!("one field: {invalid}") };
    assert_eq!((refused.field, refused.code), (field, "breached"));
    assert!(refused.message.starts_with("This password has appeared in a leak."), "{}", refused.message);
}

#[rstest]
#[tokio::test]
async fn nobody_signs_up_with_a_leaked_password(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (house, leak) = house(kind).await;
    let typed = SignUp { name: "Ann", email: "ann@example.com", password: LEAKED, devices: &[] };
    let Err(SignUpError::Invalid(invalid)) = house.accounts.sign_up(typed, &client()).await else {
        panic!("it was taken");
    };
    assert_breached(&invalid, "password");
    assert!(house.outbox().await.is_empty() && house.user("ann@example.com").await.is_none());
    let good = SignUp { password: GOOD, ..typed };
    assert!(house.accounts.sign_up(good, &client()).await.is_ok());
    assert_eq!(leak.0.load(Ordering::SeqCst), 2);
}

#[rstest]
#[tokio::test]
async fn a_leaked_password_replaces_none_and_costs_nobody_their_link(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (house, _) = house(kind).await;
    let ann = house.signed_up("ann").await;
    house.deliver().await;
    let current = house.current(&ann).await;
    let change = ChangePassword { current_password: PASSWORD, new_password: LEAKED };
    let Err(ChangePasswordError::Invalid(invalid)) =
        house.accounts.change_password(&current, change, &client()).await
    else {
        panic!("it was taken");
    };
    assert_breached(&invalid, "new_password");

    house.accounts.forgot_password("ann@example.com", &client()).await.unwrap();
    let token = house.mailed_token("ann@example.com").await;
    let reset = ResetPassword { token: &token, password: LEAKED, devices: &[] };
    let Err(ResetPasswordError::Invalid(invalid)) = house.accounts.reset_password(reset, &client()).await
    else {
        panic!("it was taken");
    };
    assert_breached(&invalid, "password");
    assert!(house.log_in("ann@example.com", LEAKED).await.is_err());
    let good = ResetPassword { password: GOOD, ..reset };
    assert!(house.accounts.reset_password(good, &client()).await.is_ok(), "the link is still good");
    assert!(house.log_in("ann@example.com", GOOD).await.is_ok());
}

#[tokio::test]
async fn operators_and_hints_beside_the_field_say_the_same() {
    let (house, _) = house(DatabaseKind::Sqlite).await;
    let new = AddUser {
        name: "Ann",
        email: "ann@example.com",
        password: LEAKED,
        role: &Role::User,
        is_email_verified: false,
    };
    let added = house.accounts.add_user(new, &Administrator::at_the_command_line()).await;
    let Err(AddUserError::Invalid(invalid)) = added else { panic!("it was taken") };
    assert_breached(&invalid, "password");
    for (password, code) in [(LEAKED, Some("breached")), (GOOD, None), ("stairwaytoheaven", Some("breached"))]
    {
        let typed = JudgePassword { password, of: PasswordOf::NewUser { name: "", email: "" } };
        let said = house.accounts.judge_password(typed, &client()).await.unwrap();
        assert_eq!(said.map(|invalid| invalid.code), code, "{password}");
    }
}

#[tokio::test]
async fn what_is_refused_anyway_is_not_asked_about_and_who_logs_in_is_not_either() {
    let (house, leak) = house(DatabaseKind::Sqlite).await;
    for password in ["", "short", "password1234", "stairwaytoheaven"] {
        let typed = SignUp { name: "Ann", email: "ann@example.com", password, devices: &[] };
        assert!(house.accounts.sign_up(typed, &client()).await.is_err(), "{password}");
    }
    assert_eq!(leak.0.load(Ordering::SeqCst), 0);
    house.signed_up("ann").await;
    assert_eq!(leak.0.load(Ordering::SeqCst), 1);
    // Whoever has had a leaked password for long is not shut out of their account: a log-in asks nobody.
    house.log_in("ann@example.com", PASSWORD).await.unwrap();
    assert_eq!(leak.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_outside_is_told_of_what_is_still_being_typed() {
    let leak = Arc::new(Leak(AtomicUsize::new(0), true));
    let options = HouseOptions { breached_passwords: vec![leak.clone()], ..HouseOptions::default() };
    let house = House::open_on(&TestDatabase::create(DatabaseKind::Sqlite).await, options).await.unwrap();
    for end in 18..=LEAKED.len() {
        let typed =
            JudgePassword { password: &LEAKED[..end], of: PasswordOf::NewUser { name: "", email: "" } };
        assert!(house.accounts.judge_password(typed, &client()).await.unwrap().is_none());
    }
    assert_eq!(leak.0.load(Ordering::SeqCst), 0);
    let typed = SignUp { name: "Ann", email: "ann@example.com", password: LEAKED, devices: &[] };
    assert!(house.accounts.sign_up(typed, &client()).await.is_err());
    assert_eq!(leak.0.load(Ordering::SeqCst), 1);
}
