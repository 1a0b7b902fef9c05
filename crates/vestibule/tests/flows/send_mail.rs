use std::collections::BTreeMap;
use std::sync::Arc;

use rstest::rstest;
use time::Duration;
use vestibule::models::{AuditEventKind, Client, MailKind};
use vestibule::ports::MailError;
use vestibule::services::{Administrator, LinkPurpose, MailSent};
use vestibule::{Accounts, Policy};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, HouseOptions, PASSWORD, TestDatabase};

const ANN: &str = "ann@example.com";

async fn limited_house(kind: DatabaseKind) -> House {
    let options = HouseOptions {
        policy: |policy| Policy { mail_daily_limit: Some(10), ..policy },
        ..HouseOptions::default()
    };
    House::open_on(&TestDatabase::create(kind).await, options).await.unwrap()
}

async fn forgot(house: &House, email: &str) {
    house.accounts.forgot_password(email, &Client::default()).await.unwrap();
    house.clock.advance(Duration::milliseconds(1));
}

#[rstest]
#[tokio::test]
async fn each_mail_goes_once_however_many_workers_there_are(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let second = house.second_server().await;
    for number in 0..30 {
        house.signed_up(&format!("ann{number}")).await;
    }
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let accounts: Arc<Accounts> =
                Arc::clone(if number % 2 == 0 { &house.accounts } else { &second.accounts });
            let post = house.post.clone();
            tokio::spawn(async move {
                while let Some(claimed) = accounts.claim_mail().await.unwrap() {
                    assert_eq!(accounts.send_mail(&claimed, &post).await.unwrap(), MailSent::Sent);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let mut delivered = BTreeMap::new();
    for mail in house.post.delivered() {
        *delivered.entry(mail.to.as_str().to_owned()).or_insert(0) += 1;
    }
    assert_eq!((delivered.len(), delivered.values().max()), (30, Some(&1)));
    assert!(house.outbox().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_worker_that_dies_gives_its_mail_back_and_a_late_one_changes_nothing(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    let lost = house.accounts.claim_mail().await.unwrap().unwrap();
    house.clock.advance(Duration::minutes(2) - Duration::milliseconds(1));
    assert!(house.accounts.claim_mail().await.unwrap().is_none(), "not before the lease is over");
    house.clock.advance(Duration::milliseconds(1));
    let claimed = house.accounts.claim_mail().await.unwrap().unwrap();
    assert_eq!((claimed.mail.id, claimed.attempt), (lost.mail.id, 2));
    // The first one was only slow: whatever it notes is of an attempt that is over.
    house.post.fail_with(MailError::Refused("no such mailbox".into()));
    house.accounts.send_mail(&lost, &house.post).await.unwrap();
    assert_eq!(house.outbox().await.len(), 1, "the mail is not given up");
    house.post.recover();
    assert_eq!(house.accounts.send_mail(&claimed, &house.post).await.unwrap(), MailSent::Sent);
    assert!(house.outbox().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn what_fails_is_tried_for_two_days_and_then_given_up(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    house.post.fail_with(MailError::TryAgain("no route to host".into()));
    let mut waited = Duration::ZERO;
    for attempt in 1..16 {
        let sent = house.deliver().await;
        let [MailSent::TryAgain { at, .. }] = sent[..] else { panic!("{attempt}: {sent:?}") };
        let pause = at - vestibule::ports::Clock::now(&house.clock);
        assert!(house.deliver().await.is_empty(), "nothing before its time");
        house.clock.advance(pause);
        waited += pause;
    }
    assert!(waited > Duration::days(1) && waited < Duration::days(3), "{waited}");
    assert!(matches!(house.deliver().await[..], [MailSent::Dead { .. }]));
    let counts = house.accounts.count_mails().await.unwrap();
    assert_eq!((counts.waiting, counts.dead, house.post.tried()), (0, 1, 16));
}

#[rstest]
#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_not_tried_again(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    house.post.fail_with(MailError::Refused("550 no such user".into()));
    assert!(matches!(house.deliver().await[..], [MailSent::Dead { .. }]));
    house.post.recover();
    house.clock.advance(Duration::days(7));
    assert!(house.deliver().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn password_resets_go_first(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    house.signed_up("bob").await;
    forgot(&house, "bob@example.com").await;
    house.deliver().await;
    let kinds: Vec<_> =
        house.post.delivered().iter().map(|mail| (mail.to.to_string(), mail.message.kind())).collect();
    let expected = [
        ("bob@example.com", MailKind::ResetPassword),
        (ANN, MailKind::ConfirmEmail),
        ("bob@example.com", MailKind::ConfirmEmail),
    ];
    assert_eq!(kinds, expected.map(|(to, kind)| (to.to_owned(), kind)));
}

#[rstest]
#[tokio::test]
async fn a_fifth_of_the_days_mails_is_kept_for_password_resets_and_the_rest_waits(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = limited_house(kind).await;
    for number in 0..12 {
        house.signed_up(&format!("ann{number}")).await;
    }
    let sent = house.deliver().await;
    let count = |wanted: &MailSent| sent.iter().filter(|sent| *sent == wanted).count();
    assert_eq!(count(&MailSent::Sent), 8);
    assert_eq!(sent.len(), 12, "the others wait for tomorrow, each looked at once");
    for number in 0..4 {
        forgot(&house, &format!("ann{number}@example.com")).await;
    }
    let resets = house.deliver().await;
    assert_eq!(resets.iter().filter(|sent| **sent == MailSent::Sent).count(), 2, "{resets:?}");
    house.clock.advance(Duration::hours(11));
    assert!(house.deliver().await.is_empty(), "it is still the same day");
    house.clock.advance(Duration::hours(2));
    let next_day = house.deliver().await;
    assert_eq!(next_day.iter().filter(|sent| **sent == MailSent::Sent).count(), 4, "{next_day:?}");
    let moot = next_day.iter().filter(|sent| matches!(sent, MailSent::Moot(_)));
    assert_eq!(moot.count(), 2, "nobody waits any more for a reset of yesterday");
    assert!(house.outbox().await.is_empty());
    assert!(house.post.delivered().iter().all(|mail| mail.attempt == 1), "waiting is no attempt");
}

#[rstest]
#[tokio::test]
async fn the_days_limit_holds_for_all_servers_together_and_failures_are_given_back(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = limited_house(kind).await;
    let second = house.second_server().await;
    for number in 0..20 {
        house.signed_up(&format!("ann{number}")).await;
    }
    house.post.fail_with(MailError::TryAgain("no route to host".into()));
    house.deliver().await;
    house.post.recover();
    house.clock.advance(Duration::minutes(1));
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let accounts = Arc::clone(if number % 2 == 0 { &house.accounts } else { &second.accounts });
            let post = house.post.clone();
            tokio::spawn(async move {
                while let Some(claimed) = accounts.claim_mail().await.unwrap() {
                    accounts.send_mail(&claimed, &post).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(house.post.delivered().len(), 8);
}

#[rstest]
#[tokio::test]
async fn a_mailbox_is_not_flooded_by_making_and_deleting_accounts(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    for _ in 0..25 {
        let ann = house.signed_up("ann").await;
        house.deliver().await;
        let current = house.current(&ann).await;
        house.accounts.delete_account(&current, PASSWORD, &Client::default()).await.unwrap();
    }
    assert_eq!(house.post.kinds_for(ANN), [MailKind::ConfirmEmail; 10]);
}

#[rstest]
#[tokio::test]
async fn five_requests_an_hour_are_noted_for_an_address_whoever_has_it(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    for email in [ANN, "nobody@example.com"] {
        let before = house.count("SELECT COUNT(*) AS count FROM outgoing_mails").await;
        for spelling in 0..8 {
            let typed = if spelling % 2 == 0 { email.to_owned() } else { email.to_uppercase() };
            forgot(&house, &typed).await;
        }
        let after = house.count("SELECT COUNT(*) AS count FROM outgoing_mails").await;
        assert_eq!(after - before, 5, "{email}");
    }
    house.deliver().await;
    assert_eq!(
        house.post.kinds_for(ANN),
        [MailKind::ResetPassword, MailKind::ConfirmEmail],
        "only the last goes"
    );
    assert!(house.post.kinds_for("nobody@example.com").is_empty());
    house.clock.advance(Duration::hours(1));
    forgot(&house, ANN).await;
    house.deliver().await;
    assert_eq!(house.post.kinds_for(ANN).len(), 3);
    let trail = house.audit_trail().await;
    let requests: Vec<_> =
        trail.iter().filter(|event| event.kind == AuditEventKind::PasswordResetRequested).collect();
    assert!(
        requests.iter().any(|event| event.user_id.is_none())
            && requests.iter().any(|event| event.user_id.is_some())
    );
}

#[rstest]
#[tokio::test]
async fn a_disabled_user_gets_no_link(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    forgot(&house, ANN).await;
    house.set_disabled(ANN, true).await;
    house.deliver().await;
    assert!(house.post.kinds_for(ANN).is_empty());
    let email = vestibule::models::EmailAddress::parse(ANN).unwrap();
    assert!(
        house
            .accounts
            .hand_out_link(&email, LinkPurpose::Reset, &Administrator::at_the_command_line())
            .await
            .is_err()
    );
}

#[rstest]
#[tokio::test]
async fn no_table_holds_a_token_or_a_text(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    forgot(&house, ANN).await;
    house.deliver().await;
    let dump = house.dump().await.to_lowercase();
    assert!(dump.contains("confirm_email") && dump.contains("reset_password"), "the dump shows the rows");
    for kind in [MailKind::ConfirmEmail, MailKind::ResetPassword] {
        let token = house.post.token_of(kind, ANN);
        let hex = vestibule_testkit::in_hex(&token);
        for text in [token.to_lowercase(), hex, "?token=".into(), "hello ann".into()] {
            assert!(!dump.contains(&text), "{text} is in a table");
        }
    }
}

#[rstest]
#[tokio::test]
async fn what_is_over_is_removed_and_nothing_else(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    forgot(&house, ANN).await;
    house.deliver().await;
    let counts = async || {
        [
            house.count("SELECT COUNT(*) AS count FROM password_reset_tokens").await,
            house.count("SELECT COUNT(*) AS count FROM email_verification_tokens").await,
            house.count("SELECT COUNT(*) AS count FROM outgoing_mails").await,
            house.count("SELECT COUNT(*) AS count FROM audit_events").await,
            house.count("SELECT COUNT(*) AS count FROM devices").await,
        ]
    };
    let clean_up = async |after: Duration| {
        house.clock.advance(after);
        house.accounts.clean_up().await.unwrap();
        counts().await
    };
    assert_eq!(counts().await, [1, 1, 2, 2, 1]);
    assert_eq!(clean_up(Duration::ZERO).await, [1, 1, 2, 2, 1]);
    assert_eq!(clean_up(Duration::hours(1)).await, [0, 1, 2, 2, 1]);
    assert_eq!(clean_up(Duration::days(1)).await, [0, 0, 2, 2, 1]);
    assert_eq!(clean_up(Duration::days(3)).await, [0, 0, 0, 2, 1]);
    assert_eq!(clean_up(Duration::days(361)).await, [0, 0, 0, 0, 1]);
    assert_eq!(clean_up(Duration::days(40)).await, [0, 0, 0, 0, 0]);
    assert_eq!(house.count("SELECT COUNT(*) AS count FROM users").await, 1);
}
