use std::sync::Arc;

use async_trait::async_trait;
use rstest::rstest;
use vestibule::models::{AuditEventKind, Client, Password, PasswordHash, Role};
use vestibule::ports::{Argon2Parameters, HasherError, HashingSlots, PasswordHasher, Standing};
use vestibule::services::{Asked, LogIn, LogInError};
use vestibule_testkit::{
    Changed, DatabaseKind, HasherChange, House, HouseOptions, PASSWORD, TestDatabase, least_slots, reading,
};

#[rstest]
#[tokio::test]
async fn who_knows_the_password_gets_a_session_of_their_own(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let first = house.signed_up("ann").await;
    let second = house.log_in("ANN@example.com", PASSWORD).await.unwrap();
    assert_eq!(second.user, first.user);
    assert_ne!(second.session.id_hash, first.session.id_hash);
    assert_ne!(second.session.public_id, first.session.public_id);
    assert_ne!(second.tokens.csrf.as_str(), first.tokens.csrf.as_str());
    for session in [&first, &second] {
        assert!(house.accounts.check_session(&reading(session), Asked::role(Role::User)).await.is_ok());
    }
    assert_eq!(house.audit_kinds().await, [AuditEventKind::SignedUp, AuditEventKind::LoggedIn]);
}

#[rstest]
#[tokio::test]
async fn unknown_wrong_and_disabled_are_refused_alike(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    house.signed_up("bob").await;
    house.set_disabled("bob@example.com", true).await;
    let sessions = house.count_sessions().await;
    for (email, password) in [
        ("ann@example.com", "wrong window thursday"),
        ("nobody@example.com", PASSWORD),
        ("bob@example.com", PASSWORD),
        ("ann@example.com", &"x".repeat(5000)),
    ] {
        let refused = house.log_in(email, password).await;
        assert!(matches!(refused, Err(LogInError::WrongCredentials)), "{email}");
    }
    assert_eq!(house.count_sessions().await, sessions);
    let failures = house.audit_kinds().await.into_iter().filter(|kind| *kind == AuditEventKind::LogInFailed);
    assert_eq!(failures.count(), 3, "each that reached the check is audited");
}

#[rstest]
#[tokio::test]
async fn an_account_without_a_password_refuses_every_password(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    house.signed_up("ann").await;
    let erase = "UPDATE users SET password_hash = NULL";
    assert_eq!(house.database.alone().write(erase).execute().await.unwrap(), 1);
    for password in [PASSWORD, " ", "null", "$argon2id$"] {
        assert!(matches!(house.log_in("ann@example.com", password).await, Err(LogInError::WrongCredentials)));
    }
    assert!(matches!(house.log_in("ann@example.com", "").await, Err(LogInError::Invalid(_))));
}

#[tokio::test]
async fn what_is_no_address_and_no_password_is_said_to_be_invalid() {
    let house = House::open(DatabaseKind::Sqlite).await;
    let typed = LogIn { email: "ann", password: "", devices: &[] };
    let Err(LogInError::Invalid(invalid)) = house.accounts.log_in(typed, &Client::default()).await else {
        panic!("taken for valid");
    };
    let fields: Vec<_> = invalid.fields.iter().map(|field| field.field).collect();
    assert_eq!(fields, ["email", "password"]);
    assert!(house.audit_trail().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn an_outdated_hash_is_renewed_at_the_next_log_in(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let old_session = house.signed_up("ann").await;
    let stronger = HouseOptions {
        hash_parameters: Argon2Parameters::new(20 * 1024, 3).unwrap(),
        secret: house.secret().clone(),
        clock: house.clock.clone(),
        ..HouseOptions::default()
    };
    let stronger = House::open_on(house.test_database(), stronger).await.unwrap();
    assert!(password_hash(&house).await.contains("m=19456,t=2,p=1"));

    // Two at once: one renews, and the other, whose hash is gone then, still gets in.
    let (one, two) = tokio::join!(
        stronger.log_in("ann@example.com", PASSWORD),
        stronger.log_in("ann@example.com", PASSWORD)
    );
    assert!(one.is_ok() && two.is_ok());
    assert!(password_hash(&house).await.contains("m=20480,t=3,p=1"));

    assert!(stronger.log_in("ann@example.com", PASSWORD).await.is_ok());
    assert!(stronger.log_in("ann@example.com", "wrong window thursday").await.is_err());
    assert!(house.accounts.check_session(&reading(&old_session), Asked::role(Role::User)).await.is_ok());
}

#[derive(sqlx::FromRow)]
struct Hash {
    password_hash: String,
}

async fn password_hash(house: &House) -> String {
    let row: Option<Hash> =
        house.database.alone().read("SELECT password_hash FROM users").optional().await.unwrap();
    row.unwrap().password_hash
}

/// Changes the database after each comparison: something that happens while a log-in is under way.
struct Meanwhile {
    inner: HashingSlots,
    elsewhere: House,
    change: &'static str,
}

#[async_trait]
impl HasherChange for Meanwhile {
    fn real(&self) -> &HashingSlots {
        &self.inner
    }

    async fn matches(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        whose: Standing,
    ) -> Result<bool, HasherError> {
        let is_right = self.inner.matches(password, hash, whose).await?;
        let mut connection = self.elsewhere.database.alone();
        connection.write(self.change).execute().await.expect("the database can be changed");
        Ok(is_right)
    }
}

/// A house in whose database something changes while a password is compared.
pub(crate) async fn house_where_meanwhile(kind: DatabaseKind, change: &'static str) -> House {
    let database = TestDatabase::create(kind).await;
    let options = HouseOptions::default();
    let meanwhile = Changed(Meanwhile {
        inner: least_slots(),
        elsewhere: House::open_on(&database, options.clone()).await.unwrap(),
        change,
    });
    let options = HouseOptions { hasher: Some(Arc::new(meanwhile)), ..options };
    House::open_on(&database, options).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn what_changes_while_the_password_is_compared_is_not_overtaken(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
    #[values(
        "UPDATE users SET password_hash = '$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA'",
        "UPDATE users SET password_hash = NULL",
        "UPDATE users SET is_disabled = (1 = 1)",
        "DELETE FROM users"
    )]
    change: &'static str,
) {
    let house = house_where_meanwhile(kind, change).await;
    house.signed_up("ann").await;
    house.database.alone().write("DELETE FROM sessions").execute().await.unwrap();

    let refused = house.log_in("ann@example.com", PASSWORD).await;
    assert!(matches!(refused, Err(LogInError::WrongCredentials)), "{refused:?}");
    assert_eq!(house.count_sessions().await, 0, "the password of before opens nothing");
    assert_eq!(house.audit_kinds().await.last(), Some(&AuditEventKind::LogInFailed));
}
