use rstest::rstest;
use time::Duration;
use vestibule::models::{
    Client, ConfirmsSignUp, EmailAddress, MailKind, MailOutcome, MailUrgency, OneTimeTokenHash, OutgoingMail,
    OutgoingMailId, PersonName, SignUpAttempt, SignUpAttemptId, SignUpBrowserHash,
};
use vestibule::repository::{OutgoingMails, SignUpAttempts};
use vestibule_sql::Database;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};

use crate::fixtures::{NOON, hash, house, random};

const MANY: u32 = 1_000;

fn of(number: u8) -> OneTimeTokenHash<ConfirmsSignUp> {
    [number; 32].into()
}

fn browser(number: u8) -> SignUpBrowserHash {
    [number; 32].into()
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// The later the number, the later it was begun.
fn attempt(number: u8, address: &str) -> SignUpAttempt {
    let created_at = NOON + Duration::milliseconds(number.into());
    SignUpAttempt {
        id: SignUpAttemptId::new(created_at, random()),
        name: PersonName::parse("Ann").unwrap(),
        email: email(address),
        password_hash: hash("a"),
        browser: browser(number),
        mail_id: OutgoingMailId::new(created_at, random()),
        mails: 1,
        is_declined: false,
        created_at,
        expires_at: NOON + Duration::DAY,
        client: Client::new("192.0.2.7".parse().ok(), Some("Browser/1")),
    }
}

async fn put(database: &Database, attempt: &SignUpAttempt) {
    assert!(database.alone().insert_sign_up_attempt(attempt, MANY).await.unwrap());
}

async fn waits(database: &Database, number: u8) -> bool {
    database.alone().find_sign_up_attempt_of(browser(number), NOON).await.unwrap().is_some()
}

async fn is_good(database: &Database, number: u8) -> bool {
    database.alone().find_sign_up_attempt(of(number), NOON).await.unwrap().is_some()
}

#[rstest]
#[tokio::test]
async fn an_attempt_is_found_by_browser_mail_and_link_while_it_waits(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    let one = attempt(1, "new@example.com");
    put(&database, &one).await;
    assert!(alone.find_sign_up_attempt(of(1), NOON).await.unwrap().is_none(), "no link was made yet");
    assert!(alone.put_sign_up_token(one.mail_id, 1, of(1), NOON).await.unwrap());
    let over = NOON + Duration::DAY;
    for (now, is_found) in [(NOON, true), (over, false)] {
        let by_browser = alone.find_sign_up_attempt_of(browser(1), now).await.unwrap();
        let by_mail = alone.find_sign_up_attempt_by_mail(one.mail_id, now).await.unwrap();
        let by_link = alone.find_sign_up_attempt(of(1), now).await.unwrap();
        for found in [by_browser, by_mail, by_link] {
            assert_eq!(found.is_some(), is_found, "{now}");
            let Some(found) = found else { continue };
            assert_eq!((found.id, &found.name, &found.email), (one.id, &one.name, &one.email));
            assert_eq!((found.password_hash, found.mail_id), (one.password_hash.clone(), one.mail_id));
            assert!(found.browser.matches(&one.browser) && !found.is_declined);
            assert_eq!((found.mails, found.client), (1, one.client.clone()));
            assert_eq!((found.created_at, found.expires_at), (one.created_at, one.expires_at));
        }
    }
    assert!(!alone.put_sign_up_token(one.mail_id, 1, of(2), over).await.unwrap());
    alone.delete_sign_up_attempt_of(browser(2)).await.unwrap();
    assert!(waits(&database, 1).await);
    alone.delete_sign_up_attempt_of(browser(1)).await.unwrap();
    assert!(!waits(&database, 1).await);
}

#[rstest]
#[tokio::test]
async fn of_twenty_at_once_one_redeems_an_attempt(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ..) = house(kind).await;
    let one = attempt(1, "new@example.com");
    put(&database, &one).await;
    assert!(database.alone().put_sign_up_token(one.mail_id, 1, of(1), NOON).await.unwrap());
    assert!(!database.alone().redeem_sign_up_attempt(of(1), NOON + Duration::DAY).await.unwrap());
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move { database.alone().redeem_sign_up_attempt(of(1), NOON).await.unwrap() })
        })
        .collect();
    let mut won = 0;
    for attempt in attempts {
        won += usize::from(attempt.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[rstest]
#[tokio::test]
async fn another_mail_ends_the_link_before_it_and_may_go_elsewhere(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    let one = attempt(1, "new@example.com");
    put(&database, &one).await;
    assert!(alone.put_sign_up_token(one.mail_id, 1, of(1), NOON).await.unwrap());
    let second = OutgoingMailId::new(NOON, random());
    let later = one.expires_at + Duration::HOUR;
    let other = email("other@example.com");
    assert!(alone.readdress_sign_up_attempt(one.id, &other, second, NOON, later).await.unwrap());
    assert!(!is_good(&database, 1).await);
    assert!(!alone.put_sign_up_token(one.mail_id, 1, of(1), NOON).await.unwrap(), "of the mail before");
    assert!(alone.put_sign_up_token(second, 1, of(2), NOON).await.unwrap());
    let found = alone.find_sign_up_attempt(of(2), NOON).await.unwrap().unwrap();
    assert_eq!((found.email, found.mails, found.expires_at), (other.clone(), 2, later));
    assert!(!alone.readdress_sign_up_attempt(one.id, &other, second, later, later).await.unwrap(), "over");
    for _ in 2..SignUpAttempt::MAX_MAILS {
        let mail = OutgoingMailId::new(NOON, random());
        assert!(alone.readdress_sign_up_attempt(one.id, &other, mail, NOON, later).await.unwrap());
    }
    let mail = OutgoingMailId::new(NOON, random());
    assert!(!alone.readdress_sign_up_attempt(one.id, &other, mail, NOON, later).await.unwrap(), "too many");
}

#[rstest]
#[tokio::test]
async fn a_declined_attempt_has_no_link_for_that_address_any_more(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    let one = attempt(1, "new@example.com");
    put(&database, &one).await;
    assert!(alone.put_sign_up_token(one.mail_id, 1, of(1), NOON).await.unwrap());
    assert!(!alone.decline_sign_up_attempt(of(2), NOON).await.unwrap());
    assert!(!alone.decline_sign_up_attempt(of(1), NOON + Duration::DAY).await.unwrap());
    assert!(alone.decline_sign_up_attempt(of(1), NOON).await.unwrap());
    assert!(!alone.decline_sign_up_attempt(of(1), NOON).await.unwrap(), "the link is over");
    assert!(!alone.put_sign_up_token(one.mail_id, 1, of(1), NOON).await.unwrap());
    assert!(waits(&database, 1).await, "its browser sees no difference");
    let mail = OutgoingMailId::new(NOON, random());
    let (same, other, later) = (email("new@example.com"), email("other@example.com"), one.expires_at);
    assert!(alone.readdress_sign_up_attempt(one.id, &same, mail, NOON, later).await.unwrap());
    assert!(!alone.put_sign_up_token(mail, 1, of(1), NOON).await.unwrap(), "no holds on");
    let mail = OutgoingMailId::new(NOON, random());
    assert!(alone.readdress_sign_up_attempt(one.id, &other, mail, NOON, later).await.unwrap());
    assert!(alone.put_sign_up_token(mail, 1, of(1), NOON).await.unwrap(), "another was not asked");
}

#[rstest]
#[tokio::test]
async fn all_links_to_an_address_are_ended_together(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    for (number, address) in [(1, "new@example.com"), (2, "new@example.com"), (3, "other@example.com")] {
        let attempt = attempt(number, address);
        put(&database, &attempt).await;
        assert!(alone.put_sign_up_token(attempt.mail_id, 1, of(number), NOON).await.unwrap());
    }
    alone.end_sign_up_tokens(&email("new@example.com")).await.unwrap();
    assert!(!is_good(&database, 1).await && !is_good(&database, 2).await && is_good(&database, 3).await);
    assert!(waits(&database, 1).await && waits(&database, 2).await);
}

#[rstest]
#[tokio::test]
async fn who_floods_an_address_pushes_out_their_own(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    put(&database, &attempt(9, "other@example.com")).await;
    // Somebody floods the address before its owner begins, and goes on.
    for (number, ip) in [
        (1, "192.0.2.7"),
        (2, "192.0.2.7"),
        (3, "192.0.2.7"),
        (4, "192.0.2.7"),
        (5, "203.0.113.1"),
        (6, "192.0.2.7"),
        (7, "192.0.2.7"),
        (10, ""),
        (11, ""),
        (12, ""),
        (13, ""),
    ] {
        let attempt = SignUpAttempt {
            client: Client::new(ip.parse().ok(), None),
            ..attempt(number, "new@example.com")
        };
        put(&database, &attempt).await;
        alone.trim_sign_up_attempts(&attempt.email, attempt.id, 2).await.unwrap();
    }
    let mut left = Vec::new();
    for number in 1..=13 {
        if waits(&database, number).await {
            left.push(number);
        }
    }
    assert_eq!(
        left,
        [1, 2, 5, 7, 9, 10, 11, 12, 13],
        "of the flood the oldest two and the newest; the owner's; that of another address; and those from nowhere"
    );
}

#[rstest]
#[tokio::test]
async fn only_so_many_wait_that_were_begun_in_one_network(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    let from = |number: u8, ip: &str| SignUpAttempt {
        client: Client::new(ip.parse().ok(), None),
        ..attempt(number, &format!("new{number}@example.com"))
    };
    for (number, ip, is_taken) in [
        (1, "2001:db8:1:2::7", true),
        (2, "2001:db8:1:2::8", true),
        (3, "2001:db8:1:2:ffff::1", false),
        (4, "2001:db8:1:3::7", true),
        (5, "", true),
        (6, "", true),
        (7, "", true),
    ] {
        let inserted = alone.insert_sign_up_attempt(&from(number, ip), 2).await.unwrap();
        assert_eq!(inserted, is_taken, "{number} {ip}");
    }
    // Those that are over do not count.
    let later = NOON + Duration::days(2);
    let fresh = SignUpAttempt { created_at: later, ..from(8, "2001:db8:1:2::9") };
    let fresh = SignUpAttempt { expires_at: later + Duration::DAY, ..fresh };
    assert!(alone.insert_sign_up_attempt(&fresh, 2).await.unwrap());
}

#[rstest]
#[tokio::test]
async fn attempts_that_are_over_are_removed_in_batches(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    for number in 1..=3 {
        put(&database, &attempt(number, "new@example.com")).await;
    }
    assert_eq!(alone.delete_expired_sign_up_attempts(NOON, 2).await.unwrap(), 0);
    let over = NOON + Duration::DAY;
    assert_eq!(alone.delete_expired_sign_up_attempts(over, 2).await.unwrap(), 2);
    assert_eq!(alone.delete_expired_sign_up_attempts(over, 2).await.unwrap(), 1);
    assert!(!waits(&database, 1).await);
}

/// As for all other links: a worker that stalls beyond its lease wakes when another has sent the mail.
#[rstest]
#[tokio::test]
async fn a_late_worker_does_not_end_the_link_that_the_next_one_sent(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    let one = attempt(1, "new@example.com");
    put(&database, &one).await;
    let mail = OutgoingMail {
        id: one.mail_id,
        kind: MailKind::ConfirmSignUp,
        user_id: None,
        recipient: one.email.clone(),
        created_at: one.created_at,
        client: Client::default(),
    };
    alone.insert_outgoing_mail(&mail).await.unwrap();
    let mut now = NOON + Duration::minutes(1);
    let mut claims = Vec::new();
    for _ in 0..2 {
        let claimed = alone.claim_mail(MailUrgency::Normal, now, now + Duration::minutes(2)).await.unwrap();
        claims.push(claimed.expect("its lease is over").attempt);
        now += Duration::minutes(3);
    }
    assert!(alone.put_sign_up_token(mail.id, claims[1], of(2), now).await.unwrap());
    assert!(!alone.put_sign_up_token(mail.id, claims[0], of(1), now).await.unwrap());
    alone.finish_mail(mail.id, claims[1], MailOutcome::Sent, "", now).await.unwrap();
    assert!(!alone.put_sign_up_token(mail.id, claims[1], of(3), now).await.unwrap(), "it is finished");
    assert!(alone.find_sign_up_attempt(of(2), now).await.unwrap().is_some());
}
