use rstest::rstest;
use time::Duration;
use vestibule::models::{
    Actor, AuditEventKind, Client, EmailAddress, MailKind, MailMessage, Role, ServiceScope, User, UserId,
};
use vestibule::ports::OsRandom;
use vestibule::repository::{Inserted, Users};
use vestibule::services::{
    AddUser, Administrator, MakeServiceKey, MakeServiceKeyError, RevokeServiceKeyError, ServiceKeyRefused,
};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, PASSWORD};

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

/// Adds a user whose name is the left half of their address.
async fn add(house: &House, name: &str, role: Role, is_email_verified: bool) {
    let email = format!("{name}@example.com");
    let new = AddUser { name, email: &email, password: PASSWORD, role: &role, is_email_verified };
    house.accounts.add_user(new, &operator()).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_new_key_is_told_to_the_admins_with_a_confirmed_address(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    add(&house, "ann", Role::Admin, true).await;
    add(&house, "bob", Role::Admin, true).await;
    add(&house, "cid", Role::User, true).await;
    add(&house, "unconfirmed", Role::Admin, false).await;
    add(&house, "disabled", Role::Admin, true).await;
    house.set_disabled("disabled@example.com", true).await;
    let ann = house.log_in("ann@example.com", PASSWORD).await.unwrap();
    house.deliver().await;
    let so_far = house.post.delivered().len();

    let place = Client::new("198.51.100.7".parse().ok(), Some("Firefox"));
    let by_ann = house.accounts.administrator(&house.current(&ann).await, &place).unwrap();
    let made_at = house.accounts.now();
    house.accounts.make_service_key(WIKI, &by_ann).await.unwrap();
    // Who took her session and her role away keeps it from nobody.
    house.set_role("ann@example.com", Role::User).await;
    house.deliver().await;

    let delivered = house.post.delivered().split_off(so_far);
    let mut told: Vec<_> = delivered.iter().map(|mail| mail.to.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["ann@example.com", "bob@example.com"]);
    for mail in &delivered {
        let MailMessage::ServiceKeyMade(happened) = &mail.message else { panic!("{mail:?}") };
        assert_eq!((happened.at, &happened.client), (made_at, &place));
    }
}

#[rstest]
#[tokio::test]
async fn who_makes_a_hundred_more_admins_does_not_keep_a_key_from_those_who_were_there(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    add(&house, "ann", Role::Admin, true).await;
    let ann = house.database.alone().list_reachable_admins(9).await.unwrap().remove(0);
    for number in 0..100 {
        let id = UserId::new(ann.created_at + Duration::seconds(1), &OsRandom);
        let email = EmailAddress::parse(&format!("admin{number}@example.com")).unwrap();
        let admin = User { id, email, ..ann.clone() };
        assert_eq!(house.database.alone().insert_user(&admin, None).await.unwrap(), Inserted::New);
    }
    house.accounts.make_service_key(WIKI, &operator()).await.unwrap();
    house.deliver().await;
    let delivered = house.post.delivered();
    assert_eq!(delivered.len(), 100, "no more than there is room for");
    assert!(delivered.iter().any(|mail| mail.to == ann.email));
}

#[rstest]
#[tokio::test]
async fn a_key_of_the_command_line_is_told_too_and_one_that_is_refused_is_not(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    add(&house, "ann", Role::Admin, true).await;
    let nameless = MakeServiceKey { name: "", ..WIKI };
    house.accounts.make_service_key(nameless, &operator()).await.unwrap_err();
    assert_eq!(house.outbox_kinds().await, []);
    house.accounts.make_service_key(WIKI, &operator()).await.unwrap();
    assert_eq!(house.outbox_kinds().await, [MailKind::ServiceKeyMade]);
}

#[rstest]
#[tokio::test]
async fn there_is_no_key_without_the_mails_that_tell_of_it(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = House::open(kind).await;
    add(&house, "ann", Role::Admin, true).await;
    house.database.alone().write("DROP TABLE outgoing_mails").execute().await.unwrap();
    let failed = house.accounts.make_service_key(WIKI, &operator()).await;
    assert!(matches!(failed, Err(MakeServiceKeyError::Store(_))), "{failed:?}");
    assert!(house.accounts.list_service_keys(None, 10).await.unwrap().items.is_empty());
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
