use rstest::rstest;
use time::Duration;
use vestibule::models::{
    Client, EmailAddress, MailCounts, MailKind, MailOutcome, MailUrgency, OutgoingMail, OutgoingMailId, User,
};
use vestibule::repository::OutgoingMails;
use vestibule_testkit::DatabaseKind;

use crate::fixtures::{NOON, house, random};

#[rstest]
#[tokio::test]
async fn mails_wait_in_the_order_in_which_they_were_written(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, ours) = house(kind).await;
    let mut written = Vec::new();
    for (number, kind) in MailKind::ALL.into_iter().cycle().take(5).enumerate() {
        let at = NOON + Duration::seconds(i64::try_from(number).unwrap());
        let mail = OutgoingMail {
            id: OutgoingMailId::new(at, random()),
            kind,
            user_id: Some(ann.id),
            recipient: ann.email.clone(),
            created_at: at,
            client: ours.client.clone(),
        };
        database.alone().insert_outgoing_mail(&mail).await.unwrap();
        written.push(mail);
    }
    assert_eq!(database.alone().list_outgoing_mails(100).await.unwrap(), written);
    assert_eq!(database.alone().list_outgoing_mails(2).await.unwrap(), written[..2]);
}

fn mail(kind: MailKind, user: Option<&User>, recipient: &str, seconds: i64) -> OutgoingMail {
    let at = NOON + Duration::seconds(seconds);
    OutgoingMail {
        id: OutgoingMailId::new(at, random()),
        kind,
        user_id: user.map(|user| user.id),
        recipient: EmailAddress::parse(recipient).unwrap(),
        created_at: at,
        client: Client::default(),
    }
}

#[rstest]
#[tokio::test]
async fn a_claimed_mail_is_nobody_elses_until_the_lease_is_over(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let (lease, now) = (NOON + Duration::minutes(3), NOON + Duration::minutes(1));
    let normal = mail(MailKind::ConfirmEmail, Some(&ann), "ann@example.com", 0);
    let later = mail(MailKind::ConfirmEmail, Some(&ann), "ann@example.com", 2);
    let urgent = mail(MailKind::ResetPassword, None, "ann@example.com", 3);
    for mail in [&later, &normal, &urgent] {
        alone.insert_outgoing_mail(mail).await.unwrap();
    }
    assert!(alone.claim_mail(MailUrgency::Normal, NOON - Duration::SECOND, lease).await.unwrap().is_none());
    let first = alone.claim_mail(MailUrgency::First, now, lease).await.unwrap().unwrap();
    assert_eq!((&first.mail, first.attempt), (&urgent, 1));
    assert!(alone.claim_mail(MailUrgency::First, now, lease).await.unwrap().is_none());
    let second = alone.claim_mail(MailUrgency::Normal, now, lease).await.unwrap().unwrap();
    let third = alone.claim_mail(MailUrgency::Normal, now, lease).await.unwrap().unwrap();
    assert_eq!((second.mail, third.mail), (normal.clone(), later.clone()));
    assert!(alone.claim_mail(MailUrgency::Normal, now, lease).await.unwrap().is_none());

    let again = alone.claim_mail(MailUrgency::Normal, lease, lease + Duration::HOUR).await.unwrap().unwrap();
    assert_eq!((again.mail.id, again.attempt), (urgent.id, 2));
    let outcome = MailOutcome::Dead;
    assert!(!alone.finish_mail(urgent.id, 1, outcome, "late", lease).await.unwrap());
    assert!(!alone.postpone_mail(urgent.id, 1, now, "late", true).await.unwrap());
    assert!(alone.postpone_mail(urgent.id, 2, now, "it waits", false).await.unwrap());
    let third_time =
        alone.claim_mail(MailUrgency::First, lease, lease + Duration::HOUR).await.unwrap().unwrap();
    assert_eq!((third_time.mail.id, third_time.attempt), (urgent.id, 2), "to wait is no attempt");
    assert!(alone.finish_mail(urgent.id, 2, outcome, "no such mailbox", lease).await.unwrap());
    assert!(!alone.finish_mail(urgent.id, 2, MailOutcome::Sent, "", lease).await.unwrap(), "once");
    assert_eq!(alone.count_mails().await.unwrap(), MailCounts { waiting: 2, dead: 1 });
    assert_eq!(alone.list_outgoing_mails(10).await.unwrap(), [normal, later]);
}

#[rstest]
#[tokio::test]
async fn a_mail_is_limited_by_its_kind_and_recipient(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let since = NOON - Duration::SECOND;
    for (kind, recipient, seconds, expected) in [
        (MailKind::ResetPassword, "ann@example.com", 0, true),
        (MailKind::ResetPassword, "ann@example.com", 1, true),
        (MailKind::ResetPassword, "ann@example.com", 2, false),
        (MailKind::ResetPassword, "bob@example.com", 3, true),
        (MailKind::ConfirmEmail, "ann@example.com", 4, true),
    ] {
        let mail = mail(kind, None, recipient, seconds);
        assert_eq!(
            alone.insert_limited_mail(&mail, since, 2).await.unwrap(),
            expected,
            "{recipient} {seconds}"
        );
    }
    let later = mail(MailKind::ResetPassword, None, "ann@example.com", 5);
    assert!(alone.insert_limited_mail(&later, NOON, 2).await.unwrap(), "the first is too long ago");

    let list = alone.list_outgoing_mails(10).await.unwrap();
    assert!(alone.has_newer_mail(&list[0]).await.unwrap() && !alone.has_newer_mail(&later).await.unwrap());
    let of_bob = list.iter().find(|mail| mail.recipient.as_str() == "bob@example.com").unwrap();
    assert!(!alone.has_newer_mail(of_bob).await.unwrap());
    let of_ann = mail(MailKind::ConfirmNewEmail, Some(&ann), "new@example.com", 6);
    let newer = mail(MailKind::ConfirmNewEmail, Some(&ann), "newer@example.com", 7);
    alone.insert_outgoing_mail(&of_ann).await.unwrap();
    assert!(!alone.has_newer_mail(&of_ann).await.unwrap());
    alone.insert_outgoing_mail(&newer).await.unwrap();
    assert!(alone.has_newer_mail(&of_ann).await.unwrap(), "whatever its recipient");

    let ann_address = EmailAddress::parse("ann@example.com").unwrap();
    alone.delete_mails_to(&ann_address).await.unwrap();
    assert_eq!(alone.list_outgoing_mails(10).await.unwrap().len(), 3);
}

#[rstest]
#[tokio::test]
async fn a_quota_is_never_exceeded_by_many_at_once(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    let day = NOON.date();
    let takes: Vec<_> = (0..20)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move { database.alone().take_mail_quota("all", day, 7).await.unwrap() })
        })
        .collect();
    let mut taken = 0;
    for take in takes {
        taken += usize::from(take.await.unwrap());
    }
    assert_eq!(taken, 7);
    let mut alone = database.alone();
    assert!(!alone.take_mail_quota("all", day, 7).await.unwrap());
    assert!(!alone.take_mail_quota("none", day, 0).await.unwrap());
    alone.give_back_mail_quota("all", day).await.unwrap();
    assert!(alone.take_mail_quota("all", day, 7).await.unwrap());
    assert!(alone.take_mail_quota("all", day.next_day().unwrap(), 7).await.unwrap());
    assert!(alone.take_mail_quota("other", day, 7).await.unwrap());
}

#[rstest]
#[tokio::test]
async fn old_mails_are_removed_by_what_became_of_them(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    for outcome in [Some(MailOutcome::Sent), Some(MailOutcome::Moot), Some(MailOutcome::Dead), None] {
        let mail = mail(MailKind::NewLogIn, Some(&ann), "ann@example.com", 0);
        alone.insert_outgoing_mail(&mail).await.unwrap();
        if let Some(outcome) = outcome {
            assert!(alone.finish_mail(mail.id, 0, outcome, "", NOON).await.unwrap());
        }
    }
    let later = NOON + Duration::SECOND;
    assert_eq!(alone.delete_old_mails(NOON, NOON, 10).await.unwrap(), 0);
    assert_eq!(alone.delete_old_mails(later, NOON, 1).await.unwrap(), 1);
    assert_eq!(alone.delete_old_mails(later, NOON, 10).await.unwrap(), 1);
    assert_eq!(alone.count_mails().await.unwrap(), MailCounts { waiting: 1, dead: 1 });
    assert_eq!(alone.delete_old_mails(later, later, 10).await.unwrap(), 2, "also what found no way so long");
    assert_eq!(alone.count_mails().await.unwrap(), MailCounts { waiting: 0, dead: 0 });
}
