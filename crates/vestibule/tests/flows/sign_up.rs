use rstest::rstest;
use vestibule::models::{AuditEventKind, Client, MailKind, Role};
use vestibule::services::{Asked, SignUp, SignUpError};
use vestibule_testkit::{DatabaseKind, House, PASSWORD, reading, signing_up};

fn invalid_fields(error: SignUpError) -> Vec<(&'static str, &'static str)> {
    match error {
        SignUpError::Invalid(invalid) => {
            invalid.fields.into_iter().map(|field| (field.field, field.code)).collect()
        }
        other => panic!("not invalid input: {other}"),
    }
}

#[rstest]
#[tokio::test]
async fn a_new_user_is_logged_in_audited_and_sent_a_mail(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let client = Client::new(Some("192.0.2.7".parse().unwrap()), Some("Browser/1"));
    let ann = house.accounts.sign_up(signing_up(" Ann@Example.com ", " Ann "), &client).await.unwrap();

    assert_eq!((ann.user.email.as_str(), ann.user.name.as_str()), ("ann@example.com", "Ann"));
    assert!(!ann.user.is_email_verified && !ann.user.is_disabled);
    assert_eq!(ann.user.role, Role::User);
    assert_eq!(ann.session.client, client);
    let current = house.accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.unwrap();
    assert_eq!(*current.user, ann.user);

    let outbox = house.outbox().await;
    assert_eq!(outbox.len(), 1);
    assert_eq!((outbox[0].kind, &outbox[0].recipient), (MailKind::ConfirmEmail, &ann.user.email));
    assert_eq!(house.audit_kinds().await, [AuditEventKind::SignedUp]);
    assert_eq!(house.audit_trail().await[0].client, client);
}

#[rstest]
#[tokio::test]
async fn all_that_is_wrong_is_said_at_once_and_nothing_is_kept(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let typed = SignUp { name: " ", email: "ann@", password: "short", devices: &[] };
    let error = house.accounts.sign_up(typed, &Client::default()).await.unwrap_err();
    assert_eq!(
        invalid_fields(error),
        [("name", "required"), ("email", "malformed"), ("password", "too_short")]
    );

    let typed = SignUp {
        name: "Ann",
        email: "ann.smith@example.com",
        password: "ann.smith@example.com",
        devices: &[],
    };
    let error = house.accounts.sign_up(typed, &Client::default()).await.unwrap_err();
    assert_eq!(invalid_fields(error), [("password", "too_weak")]);

    assert!(house.outbox().await.is_empty() && house.audit_trail().await.is_empty());
    assert_eq!(house.count_sessions().await, 0);
}

#[rstest]
#[tokio::test]
async fn an_address_is_taken_in_every_spelling(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    for spelling in ["ann@example.com", "ANN@EXAMPLE.COM", "\tAnn@example.COM "] {
        let again = house.accounts.sign_up(signing_up(spelling, "Eve"), &Client::default()).await;
        assert!(matches!(again, Err(SignUpError::EmailTaken)), "{spelling:?}");
    }
    assert_eq!(house.outbox().await.len(), 1, "a refusal sends nothing");
    assert_eq!(house.count_sessions().await, 1, "a refusal logs nobody in");
    assert_eq!(house.audit_kinds().await, [AuditEventKind::SignedUp]);
}

#[rstest]
#[tokio::test]
async fn of_many_at_once_one_gets_the_address(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let attempts: Vec<_> = (0..16)
        .map(|_| {
            let accounts = house.accounts.clone();
            tokio::spawn(async move {
                accounts.sign_up(signing_up("ann@example.com", "Ann"), &Client::default()).await
            })
        })
        .collect();
    let mut winners = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => winners += 1,
            Err(SignUpError::EmailTaken) => {}
            Err(other) => panic!("neither won nor taken: {other}"),
        }
    }
    assert_eq!((winners, house.outbox().await.len(), house.count_sessions().await), (1, 1, 1));
    assert!(house.log_in("ann@example.com", PASSWORD).await.is_ok());
}
