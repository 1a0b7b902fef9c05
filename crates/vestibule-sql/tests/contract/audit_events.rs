use rstest::rstest;
use time::Duration;
use vestibule::models::{AuditEvent, AuditEventId, AuditEventKind, Client};
use vestibule::repository::AuditEvents;
use vestibule_testkit::DatabaseKind;

use crate::fixtures::{NOON, house, random};

#[rstest]
#[tokio::test]
async fn events_of_every_kind_are_listed_newest_first(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, ours) = house(kind).await;
    let mut written = Vec::new();
    for (number, kind) in AuditEventKind::ALL.into_iter().enumerate() {
        let at = NOON + Duration::seconds(i64::try_from(number).unwrap());
        let is_known = kind != AuditEventKind::LogInFailed;
        let event = AuditEvent {
            id: AuditEventId::new(at, random()),
            kind,
            user_id: is_known.then_some(ann.id),
            created_at: at,
            client: if is_known { ours.client.clone() } else { Client::default() },
        };
        database.alone().insert_audit_event(&event).await.unwrap();
        written.insert(0, event);
    }
    assert_eq!(database.alone().list_audit_events(100).await.unwrap(), written);
    assert_eq!(database.alone().list_audit_events(1).await.unwrap(), written[..1]);
}
