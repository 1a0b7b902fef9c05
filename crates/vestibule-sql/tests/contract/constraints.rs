//! The database is the last to refuse what the models refuse first.

use rstest::rstest;
use time::Duration;
use vestibule::models::{
    Actor, AuditEvent, AuditEventId, AuditEventKind, Client, MailKind, OutgoingMail, OutgoingMailId, UserId,
};
use vestibule::repository::{AuditEvents, OutgoingMails};
use vestibule_testkit::DatabaseKind;

use crate::fixtures::{NOON, house, random};

#[rstest]
#[tokio::test]
async fn rows_that_break_an_invariant_are_refused(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    for change in [
        "UPDATE users SET email = 'Ann@example.com'",
        "UPDATE users SET email = ' ann@example.com'",
        "UPDATE users SET email = 'ann'",
        "UPDATE users SET name = ''",
        "UPDATE users SET password_hash = ''",
        "UPDATE users SET password_hash = 'plain'",
        "UPDATE users SET role = 'Root'",
        "UPDATE users SET role = ''",
        "UPDATE users SET role = '2nd'",
        "UPDATE users SET role = NULL",
        "UPDATE sessions SET expires_at = absolute_expires_at, absolute_expires_at = created_at",
        "UPDATE sessions SET previous_secret_hash = secret_hash",
        "UPDATE sessions SET csrf_token = ''",
        "UPDATE sessions SET secret_hash = NULL",
    ] {
        assert!(database.alone().write(change).execute().await.is_err(), "{change}");
    }
    for good in [
        "UPDATE users SET email = 'ann.b@example.com', name = 'A', role = 'admin', password_hash = NULL",
        "UPDATE sessions SET expires_at = created_at, secret_first_used_at = created_at",
    ] {
        assert_eq!(database.alone().write(good).execute().await.unwrap(), 1, "the refusals mean something");
    }
    for change in ["UPDATE sessions SET user_agent = $1", "UPDATE sessions SET csrf_token = $1"] {
        let length = if change.contains("agent") { 513 } else { 21 };
        let refused = database.alone().write(change).bind("x".repeat(length)).execute().await;
        assert!(refused.is_err(), "{change} with {length} characters");
    }
    for length in [0, 31, 33] {
        for change in ["UPDATE sessions SET secret_hash = $1", "UPDATE sessions SET id_hash = $1"] {
            let refused = database.alone().write(change).bind(vec![7u8; length]).execute().await;
            assert!(refused.is_err(), "{change} with {length} bytes");
        }
    }
}

#[rstest]
#[tokio::test]
async fn with_a_user_goes_all_that_is_theirs(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    #[derive(sqlx::FromRow)]
    struct Count {
        count: i64,
    }
    let (_test, database, ann, _) = house(kind).await;
    let mail = OutgoingMail {
        id: OutgoingMailId::new(NOON, random()),
        kind: MailKind::ConfirmEmail,
        user_id: Some(ann.id),
        recipient: ann.email.clone(),
        created_at: NOON,
        client: Client::default(),
    };
    database.alone().insert_outgoing_mail(&mail).await.unwrap();
    let event = AuditEvent {
        id: AuditEventId::new(NOON, random()),
        kind: AuditEventKind::LoggedIn,
        user_id: Some(ann.id),
        actor: Actor::Visitor,
        detail: String::new(),
        created_at: NOON,
        client: Client::default(),
    };
    database.alone().insert_audit_event(&event).await.unwrap();

    database.alone().write("DELETE FROM users").execute().await.unwrap();
    for question in [
        "SELECT COUNT(*) AS count FROM sessions",
        "SELECT COUNT(*) AS count FROM outgoing_mails",
        "SELECT COUNT(*) AS count FROM audit_events",
    ] {
        let rows: Vec<Count> = database.alone().read(question).all().await.unwrap();
        assert_eq!(rows[0].count, 0, "{question}");
    }
}

#[rstest]
#[tokio::test]
async fn what_admins_and_operators_did_stays_without_the_place_of_who_is_gone(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let admin = UserId::new(NOON, random());
    let place = Client::new(Some([192, 0, 2, 9].into()), Some("Browser/1.0"));
    let mut written = Vec::new();
    for (seconds, (kind, actor)) in [
        (AuditEventKind::LoggedIn, Actor::Visitor),
        (AuditEventKind::AccountDeleted, Actor::Visitor),
        (AuditEventKind::UserDisabled, Actor::Operator),
        (AuditEventKind::UserDisabled, Actor::Admin(Some(admin))),
        (AuditEventKind::UserDisabled, Actor::Admin(Some(ann.id))),
    ]
    .into_iter()
    .enumerate()
    {
        let at = NOON + Duration::seconds(i64::try_from(seconds).unwrap());
        let event = AuditEvent {
            id: AuditEventId::new(at, random()),
            kind,
            user_id: Some(ann.id),
            actor,
            detail: String::new(),
            created_at: at,
            client: place.clone(),
        };
        database.alone().insert_audit_event(&event).await.unwrap();
        written.insert(0, event);
    }
    database.alone().write("DELETE FROM users").execute().await.unwrap();
    let own = written.pop().unwrap();
    assert_eq!(own.kind, AuditEventKind::LoggedIn, "what the user did themselves goes");
    written[0].client = Client::default();
    assert_eq!(database.alone().list_audit_events(10).await.unwrap(), written);
}

#[rstest]
#[tokio::test]
async fn nothing_can_be_written_about_a_user_who_is_not_there(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let nobody = UserId::new(NOON, random());
    let mail = OutgoingMail {
        id: OutgoingMailId::new(NOON, random()),
        kind: MailKind::ConfirmEmail,
        user_id: Some(nobody),
        recipient: ann.email.clone(),
        created_at: NOON,
        client: Client::default(),
    };
    assert!(database.alone().insert_outgoing_mail(&mail).await.is_err());
    let event = AuditEvent {
        id: AuditEventId::new(NOON, random()),
        kind: AuditEventKind::LoggedIn,
        user_id: Some(nobody),
        actor: Actor::Visitor,
        detail: String::new(),
        created_at: NOON,
        client: Client::default(),
    };
    database.alone().insert_audit_event(&event).await.unwrap();
    assert!(database.alone().list_outgoing_mails(10).await.unwrap().is_empty());
    assert_eq!(database.alone().list_audit_events(10).await.unwrap()[0].user_id, None, "of nobody");
}
