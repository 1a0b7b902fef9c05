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
async fn a_newer_mail_of_the_kind_is_told(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let first = mail(MailKind::ResetPassword, None, "ann@example.com", 0);
    let second = mail(MailKind::ResetPassword, None, "ann@example.com", 1);
    let of_bob = mail(MailKind::ResetPassword, None, "bob@example.com", 0);
    let of_ann = mail(MailKind::ConfirmNewEmail, Some(&ann), "new@example.com", 2);
    let newer = mail(MailKind::ConfirmNewEmail, Some(&ann), "newer@example.com", 3);
    for mail in [&first, &second, &of_bob, &of_ann] {
        alone.insert_outgoing_mail(mail).await.unwrap();
    }
    assert!(alone.has_newer_mail(&first).await.unwrap() && !alone.has_newer_mail(&second).await.unwrap());
    assert!(!alone.has_newer_mail(&of_bob).await.unwrap() && !alone.has_newer_mail(&of_ann).await.unwrap());
    alone.insert_outgoing_mail(&newer).await.unwrap();
    assert!(alone.has_newer_mail(&of_ann).await.unwrap(), "whatever its recipient");

    alone.delete_mails_to(&ann.email).await.unwrap();
    let left: Vec<_> = alone.list_outgoing_mails(10).await.unwrap().into_iter().map(|mail| mail.id).collect();
    assert_eq!(left, [of_bob.id, of_ann.id, newer.id]);
}

#[rstest]
#[tokio::test]
async fn mails_with_links_that_wait_are_ended_and_nothing_else(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let asked = mail(MailKind::ResetPassword, None, "ann@example.com", 0);
    let of_bob = mail(MailKind::ResetPassword, None, "bob@example.com", 1);
    let confirm = mail(MailKind::ConfirmEmail, Some(&ann), "ann@example.com", 2);
    let change = mail(MailKind::ConfirmNewEmail, Some(&ann), "new@example.com", 3);
    let notice = mail(MailKind::PasswordChanged, Some(&ann), "ann@example.com", 4);
    let sent = mail(MailKind::ConfirmEmail, Some(&ann), "ann@example.com", 5);
    for mail in [&asked, &of_bob, &confirm, &change, &notice, &sent] {
        alone.insert_outgoing_mail(mail).await.unwrap();
    }
    assert!(alone.finish_mail(sent.id, 0, MailOutcome::Sent, "", NOON).await.unwrap());

    let only = Some(MailKind::ConfirmNewEmail);
    let ended = alone.end_link_mails(ann.id, &ann.email, only, "cancelled", NOON).await.unwrap();
    assert_eq!(ended, std::slice::from_ref(&change));
    let mut ended = alone.end_link_mails(ann.id, &ann.email, None, "changed", NOON).await.unwrap();
    ended.sort_by_key(|mail| mail.id);
    assert_eq!(ended, [asked.clone(), confirm.clone()]);
    assert!(alone.end_link_mails(ann.id, &ann.email, None, "changed", NOON).await.unwrap().is_empty());
    assert_eq!(alone.list_outgoing_mails(10).await.unwrap(), [of_bob.clone(), notice.clone()]);

    let list = async |to: Option<&EmailAddress>, below, limit| {
        let mails = database.alone().list_mails_of(ann.id, to, below, limit).await.unwrap();
        mails.into_iter().map(|tracked| (tracked.mail.id, tracked.reason)).collect::<Vec<_>>()
    };
    let told = |mail: &OutgoingMail, reason: &str| (mail.id, reason.to_owned());
    let theirs = [told(&sent, ""), told(&notice, ""), told(&change, "cancelled"), told(&confirm, "changed")];
    assert_eq!(list(None, None, 10).await, theirs);
    assert_eq!(list(None, None, 1).await, theirs[..1]);
    assert_eq!(list(None, Some(notice.id), 10).await, theirs[2..]);
    let with_requests = list(Some(&ann.email), None, 10).await;
    assert_eq!(with_requests, [&theirs[..], &[told(&asked, "changed")]].concat());
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
