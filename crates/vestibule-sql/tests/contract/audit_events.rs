use rstest::rstest;
use time::Duration;
use vestibule::models::{Actor, AuditEvent, AuditEventId, AuditEventKind, Client};
use vestibule::repository::{AuditEvents, AuditFilter};
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
            actor: Actor::Visitor,
            detail: String::new(),
            created_at: at,
            client: if is_known { ours.client.clone() } else { Client::default() },
        };
        database.alone().insert_audit_event(&event).await.unwrap();
        written.insert(0, event);
    }
    assert_eq!(database.alone().list_audit_events(100).await.unwrap(), written);
    assert_eq!(database.alone().list_audit_events(1).await.unwrap(), written[..1]);
}

#[rstest]
#[tokio::test]
async fn a_users_trail_is_theirs_and_ends_with_the_retention(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    for hours in 0..5 {
        let at = NOON + Duration::hours(hours);
        let event = AuditEvent {
            id: AuditEventId::new(at, random()),
            kind: AuditEventKind::LoggedIn,
            user_id: (hours % 2 == 0).then_some(ann.id),
            actor: Actor::Visitor,
            detail: String::new(),
            created_at: at,
            client: Client::default(),
        };
        alone.insert_audit_event(&event).await.unwrap();
    }
    let moments = |events: Vec<AuditEvent>| {
        events.into_iter().map(|event| (event.created_at - NOON).whole_hours()).collect::<Vec<_>>()
    };
    let of_ann = AuditFilter { user: Some(ann.id), ..AuditFilter::default() };
    assert_eq!(moments(alone.find_audit_events(of_ann, 10).await.unwrap()), [4, 2, 0]);
    let newest = alone.find_audit_events(of_ann, 1).await.unwrap();
    assert_eq!(moments(newest.clone()), [4]);
    let rest = AuditFilter { below: Some(newest[0].id), ..of_ann };
    assert_eq!(moments(alone.find_audit_events(rest, 10).await.unwrap()), [2, 0]);
    for (words, found) in
        [("ANN", [4, 2, 0].as_slice()), (ann.email.as_str(), &[4, 2, 0]), ("%", &[]), ("nobody", &[])]
    {
        let named = AuditFilter { user_named: Some(words), ..AuditFilter::default() };
        assert_eq!(moments(alone.find_audit_events(named, 10).await.unwrap()), found, "{words}");
        let by = AuditFilter { admin_named: Some(words), ..AuditFilter::default() };
        assert!(alone.find_audit_events(by, 10).await.unwrap().is_empty(), "no admin did any of it");
    }
    let noon = |hours| AuditEventId::lowest_at(NOON + Duration::hours(hours));
    let between = AuditFilter { from: Some(noon(1)), below: Some(noon(3)), ..AuditFilter::default() };
    assert_eq!(moments(alone.find_audit_events(between, 10).await.unwrap()), [2, 1]);
    alone.insert_audit_event_once(&newest[0]).await.unwrap();
    assert_eq!(alone.find_audit_events(of_ann, 10).await.unwrap().len(), 3, "it is there already");
    assert!(alone.insert_audit_event(&newest[0]).await.is_err());
    let below = AuditEventId::lowest_at(NOON + Duration::hours(3));
    assert_eq!(alone.delete_old_audit_events(below, 2).await.unwrap(), 2);
    assert_eq!(alone.delete_old_audit_events(below, 2).await.unwrap(), 1);
    assert_eq!(alone.delete_old_audit_events(below, 2).await.unwrap(), 0);
    assert_eq!(moments(alone.list_audit_events(10).await.unwrap()), [4, 3]);
}
