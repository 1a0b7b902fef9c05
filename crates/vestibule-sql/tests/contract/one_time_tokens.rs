use rstest::rstest;
use time::Duration;
use vestibule::models::{
    ClaimedMail, Client, ConfirmsEmail, EmailAddress, EmailToken, MailKind, MailOutcome, MailUrgency,
    OneTimeTokenHash, OutgoingMail, OutgoingMailId, ResetToken, User,
};
use vestibule::repository::{EmailReplaced, OneTimeTokens, OutgoingMails, Users};
use vestibule_sql::Database;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};

use crate::fixtures::{NOON, hash, house, random, user};

fn email_token(number: u8, owner: &User, email: &str, replaces_email: bool) -> EmailToken {
    EmailToken {
        hash: [number; 32].into(),
        user_id: owner.id,
        email: EmailAddress::parse(email).unwrap(),
        replaces_email,
        expires_at: NOON + Duration::DAY,
        created_at: NOON,
    }
}

fn of(number: u8) -> OneTimeTokenHash<ConfirmsEmail> {
    [number; 32].into()
}

fn reset_token(number: u8, owner: &User) -> ResetToken {
    ResetToken {
        hash: [number; 32].into(),
        user_id: owner.id,
        email: owner.email.clone(),
        expires_at: NOON + Duration::minutes(30),
        created_at: NOON,
    }
}

#[rstest]
#[tokio::test]
async fn a_token_is_found_while_it_is_good_and_redeemed_once(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    assert!(alone.put_email_token(&email_token(1, &ann, "ann@example.com", false), None).await.unwrap());
    let found = alone.find_email_token(of(1), NOON).await.unwrap().unwrap();
    assert_eq!((found.owner.user, found.owner.password_hash), (ann.clone(), Some(hash("a"))));
    assert_eq!((found.token.email, found.token.replaces_email), (ann.email.clone(), false));
    assert_eq!((found.token.expires_at, found.token.created_at), (NOON + Duration::DAY, NOON));
    let over = NOON + Duration::DAY;
    assert!(alone.find_email_token(of(1), over).await.unwrap().is_none());
    assert!(alone.redeem_email_token(of(1), over).await.unwrap().is_none());
    assert!(alone.redeem_email_token(of(2), NOON).await.unwrap().is_none());
    assert_eq!(alone.redeem_email_token(of(1), NOON).await.unwrap().unwrap().user_id, ann.id);
    assert!(alone.redeem_email_token(of(1), NOON).await.unwrap().is_none());

    assert!(alone.put_reset_token(&reset_token(1, &ann), None).await.unwrap());
    let over = NOON + Duration::minutes(30);
    assert_eq!(alone.find_reset_token([1; 32].into(), NOON).await.unwrap().unwrap().user.id, ann.id);
    assert!(alone.find_reset_token([1; 32].into(), over).await.unwrap().is_none());
    assert!(alone.redeem_reset_token([1; 32].into(), over).await.unwrap().is_none());
    assert_eq!(alone.redeem_reset_token([1; 32].into(), NOON).await.unwrap(), Some(ann.id));
    assert!(alone.redeem_reset_token([1; 32].into(), NOON).await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn of_twenty_at_once_one_redeems(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    database.alone().put_email_token(&email_token(1, &ann, "ann@example.com", false), None).await.unwrap();
    database.alone().put_reset_token(&reset_token(1, &ann), None).await.unwrap();
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move {
                let email = database.alone().redeem_email_token(of(1), NOON).await.unwrap().is_some();
                let reset =
                    database.alone().redeem_reset_token([1; 32].into(), NOON).await.unwrap().is_some();
                (usize::from(email), usize::from(reset))
            })
        })
        .collect();
    let mut won = (0, 0);
    for attempt in attempts {
        let (email, reset) = attempt.await.unwrap();
        won = (won.0 + email, won.1 + reset);
    }
    assert_eq!(won, (1, 1));
}

#[rstest]
#[tokio::test]
async fn a_new_token_ends_the_one_before_it_of_its_kind(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    for (number, email, replaces) in
        [(1, "ann@example.com", false), (2, "new@example.com", true), (3, "newer@example.com", true)]
    {
        assert!(alone.put_email_token(&email_token(number, &ann, email, replaces), None).await.unwrap());
    }
    let is_good = async |number| database.alone().find_email_token(of(number), NOON).await.unwrap().is_some();
    assert!(is_good(1).await && !is_good(2).await && is_good(3).await);
    alone.put_reset_token(&reset_token(1, &ann), None).await.unwrap();
    alone.put_reset_token(&reset_token(2, &ann), None).await.unwrap();
    assert!(alone.find_reset_token([1; 32].into(), NOON).await.unwrap().is_none());
    alone.end_email_tokens(ann.id).await.unwrap();
    alone.end_reset_tokens(ann.id).await.unwrap();
    assert!(!is_good(1).await && !is_good(3).await);
    assert!(alone.find_reset_token([2; 32].into(), NOON).await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn no_token_is_put_where_it_makes_no_sense(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let bob = user("bob@example.com");
    let _ = alone.insert_user(&bob, None).await.unwrap();
    for (email, replaces, why) in [
        ("other@example.com", false, "not the user's address"),
        ("ann@example.com", true, "they have it themselves"),
    ] {
        assert!(!alone.put_email_token(&email_token(1, &ann, email, replaces), None).await.unwrap(), "{why}");
    }
    alone.confirm_email(ann.id, &ann.email, NOON).await.unwrap().unwrap();
    assert!(!alone.put_email_token(&email_token(1, &ann, "ann@example.com", false), None).await.unwrap());
    let nobody = user("nobody@example.com");
    assert!(!alone.put_reset_token(&reset_token(1, &nobody), None).await.unwrap());
    alone.write("UPDATE users SET is_disabled = $1").bind(true).execute().await.unwrap();
    assert!(!alone.put_reset_token(&reset_token(1, &ann), None).await.unwrap());
    assert!(!alone.put_email_token(&email_token(1, &ann, "new@example.com", true), None).await.unwrap());
}

#[rstest]
#[tokio::test]
async fn expired_tokens_are_removed_in_batches(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    alone.put_email_token(&email_token(1, &ann, "ann@example.com", false), None).await.unwrap();
    alone.put_email_token(&email_token(2, &ann, "new@example.com", true), None).await.unwrap();
    alone.put_reset_token(&reset_token(1, &ann), None).await.unwrap();
    assert_eq!(alone.delete_expired_tokens(NOON, 1).await.unwrap(), 0);
    let over = NOON + Duration::DAY;
    assert_eq!(alone.delete_expired_tokens(over, 1).await.unwrap(), 1);
    assert_eq!(alone.delete_expired_tokens(over, 1).await.unwrap(), 1);
    assert_eq!(alone.delete_expired_tokens(over, 1).await.unwrap(), 0);
}

fn address(email: &str) -> EmailAddress {
    EmailAddress::parse(email).unwrap()
}

async fn change_address(database: &Database, ann: &User, email: &str) {
    let replaced = database.alone().replace_email(ann.id, &address(email), NOON).await.unwrap();
    assert!(matches!(replaced, EmailReplaced::Done(_)));
}

#[rstest]
#[tokio::test]
async fn a_reset_token_is_good_for_the_address_that_it_was_mailed_to(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    assert!(alone.put_reset_token(&reset_token(1, &ann), None).await.unwrap());
    change_address(&database, &ann, "new@example.com").await;
    assert!(alone.find_reset_token([1; 32].into(), NOON).await.unwrap().is_none());
    assert!(alone.redeem_reset_token([1; 32].into(), NOON).await.unwrap().is_none());
    assert!(!alone.put_reset_token(&reset_token(2, &ann), None).await.unwrap(), "to the old address");
    let now = User { email: address("new@example.com"), ..ann.clone() };
    assert!(alone.put_reset_token(&reset_token(3, &now), None).await.unwrap());
    assert_eq!(alone.redeem_reset_token([3; 32].into(), NOON).await.unwrap(), Some(ann.id));

    // As a server of the release before writes it.
    assert!(alone.put_reset_token(&reset_token(4, &now), None).await.unwrap());
    alone.write("UPDATE password_reset_tokens SET email = NULL").execute().await.unwrap();
    assert_eq!(alone.list_links(ann.id).await.unwrap()[0].email, None);
    assert!(alone.find_reset_token([4; 32].into(), NOON).await.unwrap().is_some());
    assert_eq!(alone.redeem_reset_token([4; 32].into(), NOON).await.unwrap(), Some(ann.id));
}

/// A mail that a worker has claimed.
async fn claimed(database: &Database, ann: &User, kind: MailKind, recipient: &str) -> ClaimedMail {
    let mail = OutgoingMail {
        id: OutgoingMailId::new(NOON, random()),
        kind,
        user_id: Some(ann.id),
        recipient: address(recipient),
        created_at: NOON,
        client: Client::default(),
    };
    let mut alone = database.alone();
    alone.insert_outgoing_mail(&mail).await.unwrap();
    alone.claim_mail(MailUrgency::Normal, NOON, NOON + Duration::MINUTE).await.unwrap().unwrap()
}

#[rstest]
#[tokio::test]
async fn a_token_is_put_for_a_mail_only_while_that_is_the_workers(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let reset = claimed(&database, &ann, MailKind::ResetPassword, "ann@example.com").await;
    assert!(alone.put_reset_token(&reset_token(1, &ann), Some(&reset)).await.unwrap());
    // Its lease ran out, and another worker has it.
    let later = NOON + Duration::MINUTE;
    let again = alone.claim_mail(MailUrgency::First, later, later + Duration::MINUTE).await.unwrap().unwrap();
    assert!(alone.put_reset_token(&reset_token(2, &ann), Some(&again)).await.unwrap());
    assert!(!alone.put_reset_token(&reset_token(3, &ann), Some(&reset)).await.unwrap());
    assert!(alone.find_reset_token([2; 32].into(), NOON).await.unwrap().is_some(), "the current link stays");
    assert!(alone.finish_mail(again.mail.id, 2, MailOutcome::Sent, "", later).await.unwrap());
    assert!(!alone.put_reset_token(&reset_token(3, &ann), Some(&again)).await.unwrap());

    let change = claimed(&database, &ann, MailKind::ConfirmNewEmail, "new@example.com").await;
    let token = |number| email_token(number, &ann, "new@example.com", true);
    assert!(alone.put_email_token(&token(1), Some(&change)).await.unwrap());
    let late = ClaimedMail { attempt: 7, ..change.clone() };
    assert!(!alone.put_email_token(&token(2), Some(&late)).await.unwrap());
    alone.end_link_mails(ann.id, &ann.email, None, "the password was changed", NOON).await.unwrap();
    assert!(!alone.put_email_token(&token(3), Some(&change)).await.unwrap());
    assert!(alone.find_email_token(of(1), NOON).await.unwrap().is_some());
}

#[derive(sqlx::FromRow)]
struct Waiting {
    count: i64,
}

/// How many statements wait for a lock. On SQLite they wait for the one writer, which is not seen from here.
async fn waiting_for_a_lock(database: &Database) -> i64 {
    const SQL: &str = "
        SELECT COUNT(*) AS count
        FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let rows: Vec<Waiting> = database.alone().read(SQL).all().await.unwrap();
    rows[0].count
}

#[rstest]
#[tokio::test]
async fn no_link_is_made_beside_the_change_that_ends_all_links(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let reset = claimed(&database, &ann, MailKind::ResetPassword, "ann@example.com").await;
    let change = claimed(&database, &ann, MailKind::ConfirmNewEmail, "new@example.com").await;
    let mut work = database.begin().await.unwrap();
    assert!(work.reset_password(ann.id, &hash("b"), NOON).await.unwrap());
    // Two workers have looked at the rows as they were before, and wait.
    let resetting = {
        let (database, token) = (database.clone(), reset_token(1, &ann));
        tokio::spawn(async move { database.alone().put_reset_token(&token, Some(&reset)).await.unwrap() })
    };
    let confirming = {
        let (database, token) = (database.clone(), email_token(1, &ann, "new@example.com", true));
        tokio::spawn(async move { database.alone().put_email_token(&token, Some(&change)).await.unwrap() })
    };
    tokio::task::yield_now().await;
    while kind == Postgres && waiting_for_a_lock(&database).await < 2 {}
    work.end_reset_tokens(ann.id).await.unwrap();
    work.end_email_tokens(ann.id).await.unwrap();
    work.end_link_mails(ann.id, &ann.email, None, "the password was reset", NOON).await.unwrap();
    work.commit().await.unwrap();
    assert!(!resetting.await.unwrap() && !confirming.await.unwrap());
    assert_eq!(database.alone().list_links(ann.id).await.unwrap(), []);
}

#[rstest]
#[tokio::test]
async fn no_reset_link_is_made_beside_a_change_of_the_address(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut work = database.begin().await.unwrap();
    let replaced = work.replace_email(ann.id, &address("new@example.com"), NOON).await.unwrap();
    assert!(matches!(replaced, EmailReplaced::Done(_)));
    let resetting = {
        let (database, token) = (database.clone(), reset_token(1, &ann));
        tokio::spawn(async move { database.alone().put_reset_token(&token, None).await.unwrap() })
    };
    tokio::task::yield_now().await;
    while kind == Postgres && waiting_for_a_lock(&database).await < 1 {}
    work.end_reset_tokens(ann.id).await.unwrap();
    work.commit().await.unwrap();
    assert!(!resetting.await.unwrap());
    assert_eq!(database.alone().list_links(ann.id).await.unwrap(), []);
}

#[rstest]
#[tokio::test]
async fn the_pending_address_is_that_of_the_newest_mail_or_link(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let pending = async |now| {
        let found = database.alone().find_pending_email(ann.id, now).await.unwrap();
        found.map(|email| email.as_str().to_owned())
    };
    assert_eq!(pending(NOON).await, None);
    let mut alone = database.alone();
    alone.put_email_token(&email_token(1, &ann, "ann@example.com", false), None).await.unwrap();
    assert_eq!(pending(NOON).await, None, "their own address");
    alone.put_email_token(&email_token(2, &ann, "first@example.com", true), None).await.unwrap();
    assert_eq!(pending(NOON).await.as_deref(), Some("first@example.com"));
    assert_eq!(pending(NOON + Duration::DAY).await, None, "the link is over");
    let mail = OutgoingMail {
        id: OutgoingMailId::new(NOON + Duration::SECOND, random()),
        kind: MailKind::ConfirmNewEmail,
        user_id: Some(ann.id),
        recipient: address("second@example.com"),
        created_at: NOON + Duration::SECOND,
        client: Client::default(),
    };
    alone.insert_outgoing_mail(&mail).await.unwrap();
    assert_eq!(pending(NOON).await.as_deref(), Some("second@example.com"));
    alone.end_link_mails(ann.id, &ann.email, None, "", NOON).await.unwrap();
    assert!(alone.end_new_email_token(ann.id).await.unwrap());
    assert!(!alone.end_new_email_token(ann.id).await.unwrap());
    assert_eq!(pending(NOON).await, None);
    assert!(alone.find_email_token(of(1), NOON).await.unwrap().is_some(), "the other kind stays");
}
