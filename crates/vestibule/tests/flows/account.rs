//! What somebody does with an account of their own: the rules behind the API and the page.

use std::sync::Arc;

use async_trait::async_trait;
use rstest::rstest;
use time::Duration;
use tokio::sync::Notify;
use vestibule::models::{Actor, AuditEventKind, Client, MailKind, UserId};
use vestibule::ports::{HasherError, PersonalData};
use vestibule::repository::StoreError;
use vestibule::services::{
    Asked, ChangeEmail, ChangeEmailError, ChangePassword, ChangePasswordError, ConfirmEmail,
    CurrentPasswordError, CurrentSession, DeleteAccountError, ExportError, LogIn, ResetPassword,
    ResetPasswordError,
};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, HouseOptions, PASSWORD, TestDatabase, reading, writing};

const ANN: &str = "ann@example.com";
const OTHER: &str = "velvet orchard seventeen";

fn change<'a>(current_password: &'a str, new_password: &'a str) -> ChangePassword<'a> {
    ChangePassword { current_password, new_password }
}

#[rstest]
#[tokio::test]
async fn a_wrong_present_password_changes_nothing_and_is_audited(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let current = house.current(&ann).await;
    let client = Client::default();
    let long = "x".repeat(5000);
    for wrong in ["wrong window thursday", long.as_str()] {
        let refused = house.accounts.change_password(&current, change(wrong, OTHER), &client).await;
        assert!(matches!(refused, Err(ChangePasswordError::CurrentPassword(CurrentPasswordError::Wrong))));
        let refused = house.accounts.delete_account(&current, wrong, &client).await;
        assert!(matches!(refused, Err(DeleteAccountError::CurrentPassword(CurrentPasswordError::Wrong))));
    }
    assert!(house.log_in(ANN, PASSWORD).await.is_ok());
    let failed =
        house.audit_kinds().await.into_iter().filter(|kind| *kind == AuditEventKind::PasswordCheckFailed);
    assert_eq!(failed.count(), 4);
}

/// Otherwise who knows the password of before would have a link mailed to an address of theirs after the reset that was to
/// throw them out.
#[rstest]
#[tokio::test]
async fn a_change_of_the_address_does_not_overtake_a_reset(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let reset = "UPDATE users SET password_hash = '$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA'";
    let house = crate::log_in::house_where_meanwhile(kind, reset).await;
    let ann = house.signed_up("ann").await;
    let current = house.current(&ann).await;
    let typed = ChangeEmail { email: "mallory@example.com", current_password: PASSWORD };
    let refused = house.accounts.change_email(&current, typed, &Client::default()).await;
    assert!(
        matches!(refused, Err(ChangeEmailError::CurrentPassword(CurrentPasswordError::Wrong))),
        "{refused:?}"
    );
    assert_eq!(house.outbox_kinds().await, [MailKind::ConfirmEmail]);
}

#[rstest]
#[tokio::test]
async fn of_several_changes_at_once_one_wins(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = Arc::new(House::open(kind).await);
    let ann = house.signed_up("ann").await;
    let current = house.current(&ann).await;
    let changes: Vec<_> = (0..4)
        .map(|number| {
            let (house, current) = (Arc::clone(&house), current.clone());
            tokio::spawn(async move {
                let new = format!("{OTHER} {number}");
                let client = Client::default();
                let changed = house.accounts.change_password(&current, change(PASSWORD, &new), &client).await;
                changed.ok().map(|_| new)
            })
        })
        .collect();
    let mut won = Vec::new();
    for change in changes {
        won.extend(change.await.unwrap());
    }
    assert_eq!(won.len(), 1);
    assert!(house.log_in(ANN, &won[0]).await.is_ok());
    assert_eq!(house.count_sessions().await, 2, "that of the change and that of the log-in");
}

#[rstest]
#[tokio::test]
async fn a_log_in_that_races_with_a_reset_leaves_no_session_of_the_old_password(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = Arc::new(House::open(kind).await);
    house.signed_up("ann").await;
    house.accounts.forgot_password(ANN, &Client::default()).await.unwrap();
    house.deliver().await;
    let token = house.post.token_of(MailKind::ResetPassword, ANN);
    let log_ins: Vec<_> = (0..6)
        .map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                let typed = LogIn { email: ANN, password: PASSWORD, devices: &[] };
                house.accounts.log_in(typed, &Client::default()).await
            })
        })
        .collect();
    let typed = ResetPassword { token: &token, password: OTHER, devices: &[] };
    house.accounts.reset_password(typed, &Client::default()).await.unwrap();
    for log_in in log_ins {
        if let Ok(logged_in) = log_in.await.unwrap() {
            assert!(house.accounts.check_session(&reading(&logged_in), Asked::ACCOUNT).await.is_err());
        }
    }
    assert_eq!(house.count_sessions().await, 0);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_resets_with_one_token_one_wins(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = Arc::new(House::open(kind).await);
    house.signed_up("ann").await;
    house.accounts.forgot_password(ANN, &Client::default()).await.unwrap();
    house.deliver().await;
    let token = Arc::new(house.post.token_of(MailKind::ResetPassword, ANN));
    let resets: Vec<_> = (0..50)
        .map(|number| {
            let (house, token) = (Arc::clone(&house), Arc::clone(&token));
            tokio::spawn(async move {
                let password = format!("{OTHER} {number}");
                let typed = ResetPassword { token: &token, password: &password, devices: &[] };
                // So many passwords at once are more than there is room for, and who is refused for that tries again.
                loop {
                    match house.accounts.reset_password(typed, &Client::default()).await {
                        Err(ResetPasswordError::Hasher(HasherError::Overloaded(_))) => {
                            tokio::task::yield_now().await;
                        }
                        answer => break answer,
                    }
                }
            })
        })
        .collect();
    let mut won = 0;
    for reset in resets {
        match reset.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, ResetPasswordError::TokenInvalid), "{error:?}"),
        }
    }
    assert_eq!(won, 1);
}

#[rstest]
#[tokio::test]
async fn requests_to_an_address_of_before_go_with_the_account(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let current = house.current(&ann).await;
    house.accounts.forgot_password(ANN, &Client::default()).await.unwrap();
    house.deliver().await;
    house.accounts.forgot_password(ANN, &Client::default()).await.unwrap();
    let typed = ChangeEmail { email: "new@example.com", current_password: PASSWORD };
    house.accounts.change_email(&current, typed, &Client::default()).await.unwrap();
    while let Some(claimed) = house.accounts.claim_mail().await.unwrap() {
        if claimed.mail.kind == MailKind::ConfirmNewEmail {
            house.accounts.send_mail(&claimed, &house.post).await.unwrap();
        }
    }
    let token = house.post.token_of(MailKind::ConfirmNewEmail, "new@example.com");
    let typed = ConfirmEmail { token: &token, password: None, devices: &[] };
    house.accounts.confirm_email(typed, Some(&current), &Client::default()).await.unwrap();
    let requests =
        house.audit_kinds().await.into_iter().filter(|kind| *kind == AuditEventKind::PasswordResetRequested);
    assert_eq!(requests.count(), 2, "also the one that was never sent");
    let current = house.current(&ann).await;
    house.accounts.delete_account(&current, PASSWORD, &Client::default()).await.unwrap();
    house.deliver().await;
    let left = house.dump().await;
    assert!(!left.contains(ANN) && !left.contains("new@example.com"), "{left}");
}

/// Who stole the password deletes the account before the mails go that tell of them.
#[rstest]
#[tokio::test]
async fn that_an_account_was_deleted_is_told_to_its_confirmed_address_and_then_forgotten(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let bob = house.signed_up("bob").await;
    let ann = house.signed_up("ann").await;
    let token = house.mailed_token(ANN).await;
    let current = house.current(&ann).await;
    let typed = ConfirmEmail { token: &token, password: None, devices: &[] };
    house.accounts.confirm_email(typed, Some(&current), &Client::default()).await.unwrap();
    let stolen = house.log_in(ANN, PASSWORD).await.unwrap();
    for logged_in in [&stolen, &bob] {
        let current = house.current(logged_in).await;
        house.accounts.delete_account(&current, PASSWORD, &vestibule_testkit::client()).await.unwrap();
    }
    assert_eq!(house.outbox_kinds().await, [MailKind::AccountDeleted], "Bob's address was not confirmed");
    // Whoever has the address next does not stand in the way.
    house.signed_up("ann").await;
    house.deliver().await;
    let delivered = house.post.delivered();
    let notice = delivered.iter().find(|mail| mail.message.kind() == MailKind::AccountDeleted).unwrap();
    assert_eq!((notice.to.as_str(), &notice.name), (ANN, &None));
    let left = "SELECT COUNT(*) AS count FROM outgoing_mails WHERE kind = 'account_deleted'";
    assert_eq!(house.count(left).await, 0, "nothing is kept of it");
}

#[rstest]
#[tokio::test]
async fn of_a_deleted_user_an_opaque_id_is_left_in_one_event(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    house.signed_up("bob").await;
    house.deliver().await;
    house.accounts.forgot_password(ANN, &Client::default()).await.unwrap();
    house.accounts.forgot_password("bob@example.com", &Client::default()).await.unwrap();
    house.deliver().await;
    house.accounts.forgot_password(ANN, &Client::default()).await.unwrap();
    assert!(house.log_in(ANN, "wrong window thursday").await.is_err());
    let id = ann.user.id.to_string();
    assert!(
        house.dump().await.contains(&id) && house.dump().await.contains(ANN),
        "there is something to look for"
    );

    let current = house.current(&ann).await;
    house.accounts.delete_account(&current, PASSWORD, &Client::default()).await.unwrap();
    let left = house.dump().await;
    assert!(!left.contains(ANN), "{left}");
    assert_eq!(left.matches(&id).count(), 1, "{left}");
    assert!(left.contains("bob@example.com"));
    let trail = house.audit_trail().await;
    assert_eq!((trail[0].kind, trail[0].user_id), (AuditEventKind::AccountDeleted, Some(ann.user.id)));
    assert_eq!((trail[0].actor, &trail[0].client), (Actor::Visitor, &Client::default()));
    house.clock.advance(Duration::days(400));
    house.accounts.clean_up().await.unwrap();
    assert!(!house.dump().await.contains(&id), "the retention ends that too");
    assert!(house.deliver().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn log_ins_that_race_with_a_deletion_end_as_wrong_or_ended(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = Arc::new(House::open(kind).await);
    let ann = house.signed_up("ann").await;
    let current = house.current(&ann).await;
    let log_ins: Vec<_> = (0..6)
        .map(|number| {
            let house = Arc::clone(&house);
            let password = if number % 2 == 0 { PASSWORD } else { "wrong window thursday" };
            tokio::spawn(async move {
                let typed = LogIn { email: ANN, password, devices: &[] };
                house.accounts.log_in(typed, &Client::default()).await.map(drop)
            })
        })
        .collect();
    house.accounts.delete_account(&current, PASSWORD, &Client::default()).await.unwrap();
    for log_in in log_ins {
        let outcome = log_in.await.unwrap();
        assert!(
            matches!(outcome, Ok(()) | Err(vestibule::services::LogInError::WrongCredentials)),
            "{outcome:?}"
        );
    }
    assert_eq!(house.count_sessions().await, 0);
}

/// What an application keeps that it takes forever to gather, one for each database of the test.
struct Endless(usize);

static GATHERING: [Notify; 2] = [Notify::const_new(), Notify::const_new()];

#[async_trait]
impl PersonalData for Endless {
    fn name(&self) -> &'static str {
        "endless"
    }

    async fn of(&self, _: UserId) -> Result<serde_json::Value, StoreError> {
        GATHERING[self.0].notify_one();
        std::future::pending().await
    }
}

/// Each is in memory while it is gathered.
#[rstest]
#[tokio::test]
async fn few_exports_are_made_at_once_and_who_hangs_up_leaves_a_place(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let options = match kind {
        Sqlite => HouseOptions { personal_data: |_| vec![Arc::new(Endless(0))], ..HouseOptions::default() },
        Postgres => HouseOptions { personal_data: |_| vec![Arc::new(Endless(1))], ..HouseOptions::default() },
    };
    let gathering = &GATHERING[usize::from(kind == Postgres)];
    let house = House::open_on(&TestDatabase::create(kind).await, options).await.unwrap();
    let mut exports = Vec::new();
    let current = async |name: &str| house.current(&house.signed_up(name).await).await;
    let export = |current: CurrentSession| {
        let accounts = Arc::clone(&house.accounts);
        tokio::spawn(async move { accounts.export(&current, &Client::default()).await })
    };
    for name in ["ann", "bob", "cat", "dan"] {
        exports.push(export(current(name).await));
        gathering.notified().await;
    }
    let refused = export(current("eve").await).await.unwrap();
    assert!(matches!(refused, Err(ExportError::Overloaded)), "{refused:?}");
    let hung_up = exports.pop().unwrap();
    hung_up.abort();
    assert!(hung_up.await.unwrap_err().is_cancelled());
    exports.push(export(current("fay").await));
    gathering.notified().await;
    assert!(exports.iter().all(|export| !export.is_finished()));
}

#[rstest]
#[tokio::test]
async fn only_sessions_that_are_alive_are_listed(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    house.clock.advance(Duration::days(6));
    let second = house.log_in(ANN, PASSWORD).await.unwrap();
    let current = house.current(&second).await;
    let ids = |sessions: Vec<vestibule::models::Session>| {
        sessions.into_iter().map(|session| session.public_id).collect::<Vec<_>>()
    };
    let listed = ids(house.accounts.list_sessions(&current).await.unwrap());
    assert_eq!(listed, [second.session.public_id, ann.session.public_id], "the last seen first");
    house.clock.advance(Duration::days(2));
    assert_eq!(ids(house.accounts.list_sessions(&current).await.unwrap()), [second.session.public_id]);
}

#[rstest]
#[tokio::test]
async fn a_known_browser_is_no_news_and_an_unknown_one_is(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let bob = house.signed_up("bob").await;
    house.deliver().await;
    let device = ann.tokens.device.clone().unwrap();
    let of_bob = bob.tokens.device.clone().unwrap();
    let forged = format!("{}{}", if device.starts_with('A') { 'B' } else { 'A' }, &device[1..]);
    let log_in = async |devices: &[&str]| {
        let typed = LogIn { email: ANN, password: PASSWORD, devices };
        let logged_in = house.accounts.log_in(typed, &Client::default()).await.unwrap();
        house.clock.advance(Duration::milliseconds(1));
        house.deliver().await;
        logged_in.tokens.device.unwrap()
    };
    let token = house.post.token_of(MailKind::ConfirmEmail, ANN);
    let typed = ConfirmEmail { token: &token, password: Some(PASSWORD), devices: &[] };
    house.accounts.confirm_email(typed, None, &Client::default()).await.unwrap();
    let news = || house.post.kinds_for(ANN).iter().filter(|kind| **kind == MailKind::NewLogIn).count();
    assert_eq!(log_in(&[&device]).await, device);
    assert_eq!(log_in(&["planted", &device]).await, device);
    assert_eq!(news(), 0);
    assert_eq!(log_in(&[&of_bob]).await, of_bob, "a browser keeps its name, whoever logs in");
    assert_eq!(news(), 1);
    assert_eq!(log_in(&[&of_bob]).await, of_bob);
    assert_eq!(news(), 1, "once is enough");
    assert_ne!(log_in(&[&forged]).await, forged);
    assert_eq!(news(), 2);
    house.clock.advance(Duration::days(100));
    log_in(&[&device]).await;
    assert_eq!(news(), 2, "a browser is known for longer than that");
    assert!(
        house.accounts.check_session(&writing(&ann), Asked::ACCOUNT).await.is_err(),
        "its session is over"
    );
}
