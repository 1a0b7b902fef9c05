use rstest::rstest;
use time::Duration;
use vestibule::models::{Actor, AuditEventKind, ServiceScope};
use vestibule::services::{
    Administrator, MakeServiceKey, MakeServiceKeyError, RevokeServiceKeyError, ServiceKeyRefused,
};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::House;

const WIKI: MakeServiceKey<'static> =
    MakeServiceKey { name: "wiki", scopes: &["revocations:read"], lifetime: None };

fn operator() -> Administrator {
    Administrator::at_the_command_line()
}

#[rstest]
#[tokio::test]
async fn a_key_is_good_for_its_scopes_until_it_is_revoked(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let accounts = &house.accounts;
    let (key, text) = accounts.make_service_key(WIKI, &operator()).await.unwrap();
    let checked = accounts.check_service_key(&text, ServiceScope::RevocationsRead).await.unwrap();
    assert_eq!(checked.id, key.id);
    let refused = accounts.check_service_key(&text, ServiceScope::UsersRead).await;
    assert!(matches!(refused, Err(ServiceKeyRefused::Forbidden(ServiceScope::UsersRead))), "{refused:?}");
    // So that the trail has an order.
    house.clock.advance(Duration::SECOND);
    accounts.revoke_service_key(key.id, &operator()).await.unwrap();
    let refused = accounts.check_service_key(&text, ServiceScope::RevocationsRead).await;
    assert!(matches!(refused, Err(ServiceKeyRefused::Unknown)), "{refused:?}");
    let again = accounts.revoke_service_key(key.id, &operator()).await;
    assert!(matches!(again, Err(RevokeServiceKeyError::NotFound)));

    let trail = house.audit_trail().await;
    assert_eq!(trail[0].kind, AuditEventKind::ServiceKeyRevoked);
    assert_eq!((trail[1].kind, trail[1].actor), (AuditEventKind::ServiceKeyMade, Actor::Operator));
    assert_eq!(trail[1].detail, format!("wiki, revocations:read, service key {}", key.id));
    assert_eq!(trail[0].detail, format!("service key {}", key.id));
}

#[rstest]
#[tokio::test]
async fn a_key_is_nowhere_in_the_database(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let (_, text) = house.accounts.make_service_key(WIKI, &operator()).await.unwrap();
    let dump = house.dump().await;
    assert!(dump.contains("wiki") && !dump.contains("vestibule_sk_") && !dump.contains(&text[13..40]));
}

#[rstest]
#[tokio::test]
async fn a_key_with_an_end_is_refused_from_then_on(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let new = MakeServiceKey { lifetime: Some(Duration::DAY), ..WIKI };
    let (_, text) = house.accounts.make_service_key(new, &operator()).await.unwrap();
    house.clock.advance(Duration::DAY - Duration::SECOND);
    house.accounts.check_service_key(&text, ServiceScope::RevocationsRead).await.unwrap();
    house.clock.advance(Duration::SECOND);
    let refused = house.accounts.check_service_key(&text, ServiceScope::RevocationsRead).await;
    assert!(matches!(refused, Err(ServiceKeyRefused::Unknown)), "{refused:?}");
}

#[rstest]
#[tokio::test]
async fn that_a_key_is_used_is_written_once_a_minute_and_a_typo_asks_nobody(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let (_, text) = house.accounts.make_service_key(WIKI, &operator()).await.unwrap();
    let took = async |text: &str| {
        let before = house.database.round_trips();
        let _ = house.accounts.check_service_key(text, ServiceScope::RevocationsRead).await;
        house.database.round_trips() - before
    };
    let used = async || house.accounts.list_service_keys(None, 1).await.unwrap().items[0].last_used_at;
    assert_eq!(used().await, None);
    let first = house.accounts.now();
    assert_eq!(took(&text).await, 2);
    assert_eq!(took(&text).await, 1);
    house.clock.advance(Duration::seconds(59));
    assert_eq!(took(&text).await, 1);
    assert_eq!(used().await, Some(first));
    house.clock.advance(Duration::SECOND);
    assert_eq!(took(&text).await, 2);
    assert_eq!(used().await, Some(house.accounts.now()));
    assert_eq!(took(&text[..60]).await, 0);
    assert_eq!(took("").await, 0);
}

#[rstest]
#[tokio::test]
async fn what_is_wrong_with_a_key_is_told_field_by_field(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    let fields = async |new: MakeServiceKey<'_>| match house.accounts.make_service_key(new, &operator()).await
    {
        Err(MakeServiceKeyError::Invalid(input)) => {
            input.fields.into_iter().map(|field| (field.field, field.code)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let long = "x".repeat(101);
    assert_eq!(
        fields(MakeServiceKey { name: "", scopes: &[], lifetime: Some(Duration::ZERO) }).await,
        [("name", "required"), ("scopes", "required"), ("expires", "out_of_range")]
    );
    assert_eq!(fields(MakeServiceKey { name: &long, ..WIKI }).await, [("name", "too_long")]);
    assert_eq!(
        fields(MakeServiceKey { scopes: &["users:write"], ..WIKI }).await,
        [("scopes", "unknown_scope")]
    );
    let twice = MakeServiceKey { scopes: &["users:read", "revocations:read", "users:read"], ..WIKI };
    let (key, _) = house.accounts.make_service_key(twice, &operator()).await.unwrap();
    assert_eq!(key.scopes, ServiceScope::ALL);
}
