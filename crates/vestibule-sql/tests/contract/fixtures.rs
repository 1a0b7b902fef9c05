//! Rows to begin with. They are put in through the repository.

use time::OffsetDateTime;
use time::macros::datetime;
use vestibule::models::{
    Client, CsrfToken, EmailAddress, PasswordHash, PersonName, PublicSessionId, RefreshSecretHash, Role,
    Session, SessionIdHash, User, UserId,
};
use vestibule::ports::{OsRandom, Random};
use vestibule::repository::{Inserted, NewSession, Sessions, Users};
use vestibule_sql::Database;
use vestibule_testkit::{DatabaseKind, TestDatabase};

/// With microseconds, which both databases keep.
pub const NOON: OffsetDateTime = datetime!(2026-05-01 12:00:00.123456 UTC);

pub fn random() -> &'static dyn Random {
    &OsRandom
}

pub fn hash(mark: &str) -> PasswordHash {
    let salt = format!("{mark:A<22}");
    PasswordHash::parse(format!("$argon2id$v=19$m=19456,t=2,p=1${salt}$aGFzaGhhc2hoYXNoaGFzaA")).unwrap()
}

pub fn user(email: &str) -> User {
    User {
        id: UserId::new(NOON, random()),
        email: EmailAddress::parse(email).unwrap(),
        name: PersonName::parse("Ann").unwrap(),
        is_email_verified: false,
        role: Role::User,
        is_disabled: false,
        created_at: NOON,
        updated_at: NOON,
    }
}

pub fn secret(number: u8) -> RefreshSecretHash {
    [number; 32].into()
}

pub fn session(user: &User) -> Session {
    let id: [u8; 32] = random().bytes();
    Session {
        id_hash: SessionIdHash::from(id),
        public_id: PublicSessionId::new(NOON, random()),
        user_id: user.id,
        secret_hash: secret(1),
        previous_secret_hash: None,
        secret_rotated_at: NOON,
        secret_first_used_at: None,
        csrf_token: CsrfToken::generate(random()),
        is_revoked: false,
        created_at: NOON,
        password_given_at: NOON,
        last_seen_at: NOON,
        expires_at: NOON + time::Duration::days(7),
        absolute_expires_at: NOON + time::Duration::days(30),
        client: Client::new(Some("2001:db8::7".parse().unwrap()), Some("Browser/1")),
    }
}

/// A database with a user, whose password hash is `hash("a")`, and a session of theirs.
pub async fn house(kind: DatabaseKind) -> (TestDatabase, Database, User, Session) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let user = user("ann@example.com");
    assert_eq!(database.alone().insert_user(&user, Some(&hash("a"))).await.unwrap(), Inserted::New);
    let session = session(&user);
    let new = NewSession { session: &session, password_hash: &hash("a") };
    assert!(database.alone().insert_session(new).await.unwrap());
    (test, database, user, session)
}
