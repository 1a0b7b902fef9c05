use rstest::rstest;
use time::Duration;
use vestibule::models::{
    Client, EmailAddress, MailCounts, MailKind, MailOutcome, MailUrgency, OutgoingMail, OutgoingMailId, User,
};
use vestibule::repository::{ClaimError, MailFilter, OutgoingMails};
use vestibule_sql::Id;
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
    assert_eq!(third_time.mail.id, urgent.id);
    assert_eq!(
        (third_time.attempt, third_time.tries),
        (3, 2),
        "to wait does not count, but no number comes twice"
    );
    assert!(!alone.finish_mail(urgent.id, 2, outcome, "late", lease).await.unwrap());
    assert!(alone.finish_mail(urgent.id, 3, outcome, "no such mailbox", lease).await.unwrap());
    assert!(!alone.finish_mail(urgent.id, 3, MailOutcome::Sent, "", lease).await.unwrap(), "once");
    assert_eq!(alone.count_mails().await.unwrap(), MailCounts { waiting: 2, dead: 1 });
    assert_eq!(
        alone.find_when_the_oldest_mail_came().await.unwrap(),
        Some(normal.created_at.min(later.created_at))
    );
    assert_eq!(alone.list_outgoing_mails(10).await.unwrap(), [normal, later]);
}

#[rstest]
#[tokio::test]
async fn mails_of_one_moment_go_in_the_order_in_which_they_were_written(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let mut mails: Vec<_> =
        (0..8).map(|_| mail(MailKind::NewLogIn, Some(&ann), "ann@example.com", 0)).collect();
    for mail in mails.iter().rev() {
        alone.insert_outgoing_mail(mail).await.unwrap();
    }
    mails.sort_by_key(|mail| mail.id.as_uuid());
    for mail in mails {
        let claimed = alone.claim_mail(MailUrgency::Normal, NOON, NOON + Duration::HOUR).await.unwrap();
        assert_eq!(claimed.unwrap().mail, mail);
    }
}

/// A later release was here and went away again.
#[rstest]
#[tokio::test]
async fn mails_of_an_unknown_kind_wait_and_hold_up_no_other(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let unknown = mail(MailKind::NewLogIn, Some(&ann), "ann@example.com", 0);
    let known = mail(MailKind::NewLogIn, Some(&ann), "ann@example.com", 1);
    for mail in [&unknown, &known] {
        alone.insert_outgoing_mail(mail).await.unwrap();
    }
    // Neither its like nor a part of a known one is one.
    for kind in ["mail_of_tomorrow", "log_in", "new.log.in", "new_log_in/email_changed"] {
        let rename = "UPDATE outgoing_mails SET kind = $2, attempts = 0 WHERE id = $1";
        let row = alone.write(rename).bind(Id(unknown.id.as_uuid())).bind(kind);
        assert_eq!(row.execute().await.unwrap(), 1);
        let now = NOON + Duration::MINUTE;
        let claimed = alone.claim_mail(MailUrgency::Normal, now, now).await.unwrap().unwrap();
        assert_eq!(claimed.mail.id, known.id, "{kind}");
    }
    let count = "SELECT COUNT(*) AS count FROM outgoing_mails WHERE attempts = 0";
    let untouched: Option<Count> = alone.read(count).optional().await.unwrap();
    assert_eq!(untouched.unwrap().count, 1, "the later release finds it as it was");
}

#[derive(sqlx::FromRow)]
struct Count {
    count: i64,
}

#[rstest]
#[tokio::test]
async fn a_mail_that_cannot_be_read_is_told_with_its_number(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let broken = mail(MailKind::NewLogIn, Some(&ann), "ann@example.com", 0);
    let good = mail(MailKind::NewLogIn, Some(&ann), "ann@example.com", 1);
    for mail in [&broken, &good] {
        alone.insert_outgoing_mail(mail).await.unwrap();
    }
    let change = "UPDATE outgoing_mails SET ip = 'nowhere' WHERE id = $1";
    alone.write(change).bind(Id(broken.id.as_uuid())).execute().await.unwrap();
    let now = NOON + Duration::MINUTE;
    let claimed = alone.claim_mail(MailUrgency::Normal, now, now + Duration::HOUR).await;
    let Err(ClaimError::Broken(told)) = claimed else { panic!("{claimed:?}") };
    assert_eq!((told.id, told.attempt), (broken.id, 1));
    assert!(told.problem.contains("outgoing_mails.ip") && !told.problem.contains("ann"), "{}", told.problem);
    assert!(alone.finish_mail(told.id, told.attempt, MailOutcome::Dead, &told.problem, now).await.unwrap());
    let next = alone.claim_mail(MailUrgency::Normal, now, now + Duration::HOUR).await.unwrap().unwrap();
    assert_eq!(next.mail, good);

    // Those who look after the mails see the others, however many they asked for.
    let listed = async |limit| {
        let mails = database.alone().find_mails(MailFilter::default(), limit).await.unwrap();
        mails.into_iter().map(|tracked| tracked.mail.id).collect::<Vec<_>>()
    };
    let older = mail(MailKind::NewLogIn, Some(&ann), "ann@example.com", -1);
    alone.insert_outgoing_mail(&older).await.unwrap();
    assert_eq!(listed(1).await, [good.id]);
    assert_eq!(listed(2).await, [good.id, older.id]);
    assert_eq!(listed(3).await, [good.id, older.id]);
}

#[rstest]
#[tokio::test]
async fn a_mail_that_is_tried_again_has_new_tries_and_goes_on_with_its_numbers(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let mail = mail(MailKind::NewLogIn, Some(&ann), "ann@example.com", 0);
    alone.insert_outgoing_mail(&mail).await.unwrap();
    for number in 1..=3 {
        let claimed = alone.claim_mail(MailUrgency::Normal, NOON, NOON).await.unwrap().unwrap();
        assert_eq!((claimed.attempt, claimed.tries), (number, number));
    }
    assert!(alone.finish_mail(mail.id, 3, MailOutcome::Dead, "no", NOON).await.unwrap());
    assert_eq!(alone.retry_mail(mail.id, NOON, NOON).await.unwrap(), Some(mail.clone()));
    assert_eq!(alone.find_mails(MailFilter::default(), 1).await.unwrap()[0].attempts, 0);
    let claimed = alone.claim_mail(MailUrgency::Normal, NOON, NOON).await.unwrap().unwrap();
    assert_eq!((claimed.attempt, claimed.tries), (4, 1));
    // The release before this one sets them back.
    alone.write("UPDATE outgoing_mails SET attempts = 0").execute().await.unwrap();
    let claimed = alone.claim_mail(MailUrgency::Normal, NOON, NOON).await.unwrap().unwrap();
    assert_eq!((claimed.attempt, claimed.tries), (1, 0));
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
    let of_an_admin = mail(MailKind::ResetPassword, Some(&ann), "ann@example.com", 4);
    alone.insert_outgoing_mail(&of_an_admin).await.unwrap();
    assert!(alone.has_newer_mail(&second).await.unwrap(), "one that an admin sent");
    let third = mail(MailKind::ResetPassword, None, "ann@example.com", 5);
    alone.insert_outgoing_mail(&third).await.unwrap();
    assert!(alone.has_newer_mail(&of_an_admin).await.unwrap(), "one that a stranger asked for");

    // Of a newcomer who signs up with the address as its owner leaves.
    let sign_up = mail(MailKind::ConfirmSignUp, None, "ann@example.com", 6);
    alone.insert_outgoing_mail(&sign_up).await.unwrap();
    alone.delete_reset_requests_to(&ann.email).await.unwrap();
    let left: Vec<_> = alone.list_outgoing_mails(10).await.unwrap().into_iter().map(|mail| mail.id).collect();
    assert_eq!(left, [of_bob.id, of_ann.id, newer.id, of_an_admin.id, sign_up.id]);
}

#[rstest]
#[tokio::test]
async fn a_mail_is_removed_by_who_has_it_and_nobody_else(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    let sent = mail(MailKind::AccountDeleted, None, "ann@example.com", 0);
    let other = mail(MailKind::AccountDeleted, None, "bob@example.com", 1);
    for mail in [&sent, &other] {
        alone.insert_outgoing_mail(mail).await.unwrap();
    }
    let now = NOON + Duration::minutes(1);
    let claimed = alone.claim_mail(MailUrgency::Normal, now, now + Duration::MINUTE).await.unwrap().unwrap();
    assert_eq!(claimed.mail.id, sent.id);
    assert!(!alone.delete_mail(sent.id, claimed.attempt + 1).await.unwrap(), "of another attempt");
    assert!(alone.delete_mail(sent.id, claimed.attempt).await.unwrap());
    assert!(!alone.delete_mail(sent.id, claimed.attempt).await.unwrap());
    let left: Vec<_> = alone.list_outgoing_mails(10).await.unwrap().into_iter().map(|mail| mail.id).collect();
    assert_eq!(left, [other.id]);
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
    // Not of an account, so it does not end with one's links.
    let sign_up = mail(MailKind::ConfirmSignUp, None, "ann@example.com", 6);
    for mail in [&asked, &of_bob, &confirm, &change, &notice, &sent, &sign_up] {
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
    assert_eq!(
        alone.list_outgoing_mails(10).await.unwrap(),
        [of_bob.clone(), notice.clone(), sign_up.clone()]
    );

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
    assert_eq!(with_requests, [&[told(&sign_up, "")], &theirs[..], &[told(&asked, "changed")]].concat());
    // A mail that cannot be read keeps nobody from the others.
    let change_ip = "UPDATE outgoing_mails SET ip = 'nowhere' WHERE id = $1";
    assert_eq!(alone.write(change_ip).bind(Id(notice.id.as_uuid())).execute().await.unwrap(), 1);
    assert_eq!(list(None, None, 2).await, [told(&sent, ""), told(&change, "cancelled")]);
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
    assert_eq!(alone.find_when_the_oldest_mail_came().await.unwrap(), None);
}
