//! Whose mailbox a link goes to, how often, and until when it opens anything.

use std::sync::Arc;

use rstest::rstest;
use time::Duration;
use vestibule::models::{AuditEventKind, Client, MailKind};
use vestibule::ports::Clock;
use vestibule::services::{
    Administrator, ChangeEmail, ChangeEmailError, ChangePassword, ConfirmEmail, CurrentSession, LoggedIn,
    MailSent, ResetPassword,
};
use vestibule::{Accounts, Policy};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, HouseOptions, PASSWORD, TestDatabase};

const ANN: &str = "ann@example.com";
const NEW: &str = "new@example.com";
const OTHER: &str = "velvet orchard seventeen";

async fn ask_for(accounts: &Accounts, current: &CurrentSession, email: &str) -> Result<(), ChangeEmailError> {
    let typed = ChangeEmail { email, current_password: PASSWORD };
    accounts.change_email(current, typed, &Client::default()).await
}

async fn confirm(house: &House, token: &str) {
    let typed = ConfirmEmail { token, password: Some(PASSWORD), devices: &[] };
    house.accounts.confirm_email(typed, None, &Client::default()).await.unwrap();
}

async fn confirmed(house: &House, name: &str) -> LoggedIn {
    let somebody = house.signed_up(name).await;
    let token = house.mailed_token(&format!("{name}@example.com")).await;
    confirm(house, &token).await;
    somebody
}

async fn forgot(house: &House, email: &str) {
    house.accounts.forgot_password(email, &Client::default()).await.unwrap();
    house.clock.advance(Duration::milliseconds(1));
}

async fn requests(house: &House) -> Vec<vestibule::models::AuditEvent> {
    let mut events = house.audit_trail().await;
    events.retain(|event| event.kind == AuditEventKind::PasswordResetRequested);
    events
}

#[rstest]
#[tokio::test]
async fn a_reset_link_of_an_admin_never_goes_to_an_address_of_before(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = confirmed(&house, "ann").await;
    ask_for(&house.accounts, &house.current(&ann).await, NEW).await.unwrap();
    let token = house.mailed_token(NEW).await;
    house.accounts.send_reset_link(ann.user.id, &Administrator::at_the_command_line()).await.unwrap();
    let claimed = house.accounts.claim_mail().await.unwrap().unwrap();
    confirm(&house, &token).await;
    let sent = house.accounts.send_mail(&claimed, &house.post).await.unwrap();
    assert!(matches!(sent, MailSent::Moot(_)), "{sent:?}");
    house.deliver().await;
    assert!(!house.post.kinds_for(ANN).contains(&MailKind::ResetPassword));
    assert_eq!(house.count("SELECT COUNT(*) AS count FROM password_reset_tokens").await, 0);
    assert_eq!(requests(&house).await.len(), 1, "the admin's own event is the only one");
}

#[rstest]
#[tokio::test]
async fn another_password_ends_a_change_of_the_address_that_still_waits(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
    #[values(true, false)] by_reset: bool,
) {
    let house = House::open(kind).await;
    let ann = confirmed(&house, "ann").await;
    let current = house.current(&ann).await;
    forgot(&house, ANN).await;
    house.deliver().await;
    let reset = house.post.token_of(MailKind::ResetPassword, ANN);
    ask_for(&house.accounts, &current, NEW).await.unwrap();
    forgot(&house, ANN).await;
    if by_reset {
        let typed = ResetPassword { token: &reset, password: OTHER, devices: &[] };
        house.accounts.reset_password(typed, &Client::default()).await.unwrap();
    } else {
        let typed = ChangePassword { current_password: PASSWORD, new_password: OTHER };
        house.accounts.change_password(&current, typed, &Client::default()).await.unwrap();
    }
    house.deliver().await;
    assert!(house.post.kinds_for(NEW).is_empty());
    let resets = house.post.kinds_for(ANN).into_iter().filter(|kind| *kind == MailKind::ResetPassword);
    assert_eq!(resets.count(), 1, "the second was asked for before");
    assert_eq!(requests(&house).await.len(), 2, "and is audited all the same");
    assert_eq!(house.count("SELECT COUNT(*) AS count FROM email_verification_tokens").await, 0);
}

#[rstest]
#[tokio::test]
async fn a_request_is_audited_once_whatever_comes_of_it(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let bob = house.signed_up("bob").await;
    house.set_disabled("bob@example.com", true).await;
    let mut asked = Vec::new();
    // Superseded, sent, disabled, unknown.
    for email in [ANN, ANN, "bob@example.com", "nobody@example.com"] {
        asked.push(house.clock.now());
        forgot(&house, email).await;
    }
    house.post.fail_with(vestibule::ports::MailError::TryAgain("no route to host".into()));
    house.clock.advance(Duration::minutes(1));
    house.deliver().await;
    house.clock.advance(Duration::minutes(1));
    house.deliver().await;
    house.post.recover();
    house.clock.advance(Duration::minutes(5));
    house.deliver().await;
    assert!(house.post.kinds_for(ANN).contains(&MailKind::ResetPassword));
    let told: Vec<_> =
        requests(&house).await.into_iter().rev().map(|event| (event.created_at, event.user_id)).collect();
    let users = [Some(ann.user.id), Some(ann.user.id), Some(bob.user.id), None];
    assert_eq!(told, asked.into_iter().zip(users).collect::<Vec<_>>());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_race_pass_no_limit_of_a_mailbox(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let second = house.second_server().await;
    let ann = house.signed_up("ann").await;
    let current = house.current(&ann).await;
    let races: Vec<_> = (0..30)
        .map(|number| {
            let accounts = Arc::clone(if number % 2 == 0 { &house.accounts } else { &second.accounts });
            let current = current.clone();
            tokio::spawn(async move {
                let client = Client::default();
                accounts.forgot_password(ANN, &client).await.unwrap();
                accounts.resend_confirmation(&current, &client).await.is_ok()
            })
        })
        .collect();
    let mut resent = 0;
    for race in races {
        resent += usize::from(race.await.unwrap());
    }
    assert_eq!(resent, 5);
    let kinds = house.outbox_kinds().await;
    let count = |wanted| kinds.iter().filter(|kind| **kind == wanted).count();
    assert_eq!(count(MailKind::ResetPassword), 5);
    assert_eq!(count(MailKind::ConfirmEmail), 1 + 5);
}

#[rstest]
#[tokio::test]
async fn a_new_address_is_asked_for_five_times_and_then_refused_with_a_time(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let bob = house.signed_up("bob").await;
    let (ann, bob) = (house.current(&ann).await, house.current(&bob).await);
    for _ in 0..3 {
        ask_for(&house.accounts, &ann, NEW).await.unwrap();
    }
    for _ in 0..2 {
        ask_for(&house.accounts, &bob, NEW).await.unwrap();
    }
    let refused = ask_for(&house.accounts, &bob, NEW).await;
    assert!(matches!(refused, Err(ChangeEmailError::TooMany(_))), "the mailbox: {refused:?}");
    for number in 0..2 {
        ask_for(&house.accounts, &ann, &format!("new{number}@example.com")).await.unwrap();
    }
    let refused = ask_for(&house.accounts, &ann, "another@example.com").await;
    assert!(matches!(refused, Err(ChangeEmailError::TooMany(_))), "the account: {refused:?}");
}

#[rstest]
#[tokio::test]
async fn who_uses_up_the_resets_of_a_mailbox_leaves_its_owner_a_link_at_every_moment(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
    #[values(30, 10)] minutes: i64,
) {
    let policy = match minutes {
        30 => |policy| policy,
        _ => |policy| Policy { reset_ttl: Duration::minutes(10), ..policy },
    };
    let options = HouseOptions { policy, ..HouseOptions::default() };
    let house = House::open_on(&TestDatabase::create(kind).await, options).await.unwrap();
    confirmed(&house, "ann").await;
    for _ in 0..40 {
        forgot(&house, ANN).await;
        house.deliver().await;
    }
    let resets = || house.post.kinds_for(ANN).iter().filter(|kind| **kind == MailKind::ResetPassword).count();
    assert_eq!(resets(), 5);
    for more in 1..6 {
        house.clock.advance(Duration::minutes(minutes));
        for _ in 0..10 {
            forgot(&house, ANN).await;
            house.deliver().await;
        }
        assert_eq!(resets(), 5 + more);
    }
    // Just before there is one more, and so at every moment, the last is good.
    house.clock.advance(Duration::minutes(minutes) - Duration::SECOND);
    let token = house.post.token_of(MailKind::ResetPassword, ANN);
    let typed = ResetPassword { token: &token, password: "velvet orchard seventeen", devices: &[] };
    house.accounts.reset_password(typed, &Client::default()).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn strangers_fill_a_mailbox_to_a_limit_for_all_kinds_and_its_owner_still_learns_what_happens(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let options = HouseOptions { policy: vestibule_testkit::generous, ..HouseOptions::default() };
    let house = House::open_on(&TestDatabase::create(kind).await, options).await.unwrap();
    let eve = confirmed(&house, "eve").await;
    let eve = house.current(&eve).await;
    for _ in 0..15 {
        let ann = house.signed_up("ann").await;
        house.log_in(ANN, PASSWORD).await.unwrap();
        let current = house.current(&ann).await;
        ask_for(&house.accounts, &current, "elsewhere@example.com").await.unwrap();
        house.accounts.delete_account(&current, PASSWORD, &Client::default()).await.unwrap();
        ask_for(&house.accounts, &eve, ANN).await.unwrap();
        house.deliver().await;
        let ann = house.signed_up("ann").await;
        let current = house.current(&ann).await;
        ask_for(&house.accounts, &current, "elsewhere@example.com").await.unwrap();
        house.deliver().await;
        house.accounts.delete_account(&current, PASSWORD, &Client::default()).await.unwrap();
    }
    let kinds = house.post.kinds_for(ANN);
    assert_eq!(kinds.len(), 20, "{kinds:?}");
    assert!(!kinds.contains(&MailKind::NewLogIn), "nobody confirmed the address");
    house.signed_up("ann").await;
    house.deliver().await;
    assert_eq!(house.post.kinds_for(ANN).len(), 20);

    // Its owner confirms the address, by a link from an operator, and learns of everything.
    let email = vestibule::models::EmailAddress::parse(ANN).unwrap();
    let purpose = vestibule::services::LinkPurpose::Confirm;
    let link =
        house.accounts.hand_out_link(&email, purpose, &Administrator::at_the_command_line()).await.unwrap();
    confirm(&house, link.url().split_once("?token=").unwrap().1).await;
    house.log_in(ANN, PASSWORD).await.unwrap();
    house.deliver().await;
    assert_eq!(house.post.kinds_for(ANN).last(), Some(&MailKind::NewLogIn));
}

#[rstest]
#[tokio::test]
async fn of_few_mails_a_day_one_is_kept_for_password_resets(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let options = HouseOptions {
        policy: |policy| Policy { mail_daily_limit: Some(4), ..policy },
        ..HouseOptions::default()
    };
    let house = House::open_on(&TestDatabase::create(kind).await, options).await.unwrap();
    for number in 0..6 {
        house.signed_up(&format!("ann{number}")).await;
    }
    house.deliver().await;
    assert_eq!(house.post.delivered().len(), 3);
    forgot(&house, "ann0@example.com").await;
    house.deliver().await;
    assert_eq!(house.post.delivered().len(), 4);
}

#[rstest]
#[tokio::test]
async fn links_that_found_no_way_for_long_are_not_sent_and_notices_are(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = confirmed(&house, "ann").await;
    ask_for(&house.accounts, &house.current(&ann).await, NEW).await.unwrap();
    forgot(&house, ANN).await;
    house.clock.advance(Duration::days(3) + Duration::MINUTE);
    let sent = house.deliver().await;
    assert_eq!(sent.iter().filter(|sent| matches!(sent, MailSent::Moot(_))).count(), 2, "{sent:?}");
    assert_eq!(house.post.kinds_for(ANN).last(), Some(&MailKind::EmailChangeRequested));
    assert!(house.post.kinds_for(NEW).is_empty());
}

#[rstest]
#[tokio::test]
async fn a_change_of_the_address_is_cancelled_before_and_after_its_mail_went(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
    #[values(true, false)] is_sent: bool,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    house.signed_up("bob").await;
    let current = house.current(&ann).await;
    let pending =
        async || house.accounts.pending_email(&current).await.unwrap().map(|email| email.to_string());
    house.accounts.cancel_email_change(&current, &Client::default()).await.unwrap();
    for email in [NEW, "bob@example.com"] {
        ask_for(&house.accounts, &current, email).await.unwrap();
        if is_sent {
            house.deliver().await;
        }
        assert_eq!(pending().await.as_deref(), Some(email), "whether or not somebody has the address");
        house.accounts.cancel_email_change(&current, &Client::default()).await.unwrap();
        assert_eq!(pending().await, None);
        house.deliver().await;
    }
    if is_sent {
        let token = house.post.token_for(NEW);
        let typed = ConfirmEmail { token: &token, password: None, devices: &[] };
        let refused = house.accounts.confirm_email(typed, Some(&current), &Client::default()).await;
        assert!(refused.is_err(), "the link is over");
    } else {
        assert!(house.post.kinds_for(NEW).is_empty());
    }
    let cancelled =
        house.audit_kinds().await.into_iter().filter(|kind| *kind == AuditEventKind::EmailChangeCancelled);
    assert_eq!(cancelled.count(), 2, "where there was something to cancel");
    let token = house.post.token_for(ANN);
    confirm(&house, &token).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_goes_to_one_of_two_and_by_one_of_many_presses(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = Arc::new(House::open(kind).await);
    let mut presses = Vec::new();
    for name in ["ann", "bob"] {
        let somebody = house.signed_up(name).await;
        let current = house.current(&somebody).await;
        ask_for(&house.accounts, &current, NEW).await.unwrap();
        let token = house.mailed_token(NEW).await;
        presses.push((current, token));
    }
    let races: Vec<_> = (0..16)
        .map(|number| {
            let (house, (current, token)) = (Arc::clone(&house), presses[number % 2].clone());
            tokio::spawn(async move {
                let typed = ConfirmEmail { token: &token, password: None, devices: &[] };
                house.accounts.confirm_email(typed, Some(&current), &Client::default()).await.is_ok()
            })
        })
        .collect();
    let mut won = 0;
    for race in races {
        won += usize::from(race.await.unwrap());
    }
    assert_eq!(won, 1);
    assert!(house.user(NEW).await.unwrap().is_email_verified);
    assert_eq!(house.count("SELECT COUNT(*) AS count FROM users").await, 2);
}
