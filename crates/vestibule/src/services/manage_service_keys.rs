use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::{Administrator, PageOf};
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{
    AuditEventKind, InvalidInput, MailKind, ServiceKey, ServiceKeyId, ServiceKeySecret, ServiceName,
    ServiceScope,
};
use crate::repository::{StoreError, UnitOfWork};

const SHORTEST: Duration = Duration::minutes(1);
const LONGEST: Duration = Duration::days(3650);
/// That a key was used is written so often at most: a program that asks each second must not write each second.
const NOTED_EVERY: Duration = Duration::MINUTE;
/// So many admins are told of a new key: who makes many would else have one key write any number of mails.
const ADMINS_TOLD: u32 = 100;

/// A key that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct MakeServiceKey<'a> {
    /// What the program is called that gets it.
    pub name: &'a str,
    /// The words of what it may do.
    pub scopes: &'a [&'a str],
    /// How long it is good; without end where that is not said.
    pub lifetime: Option<Duration>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum MakeServiceKeyError {
    /// Something has to be typed again.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a key was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeServiceKeyError {
    /// There is none: it was revoked before, or never was.
    #[error("there is no such service key")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a program is not let in.
#[derive(Debug, thiserror::Error)]
pub enum ServiceKeyRefused {
    /// It shows no key, or one that was mistyped, was revoked, is over or of another site.
    #[error("there is no such service key")]
    Unknown,
    /// The key is good, and not for this.
    #[error("the service key has not the scope {0}")]
    Forbidden(ServiceScope),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Makes a key for a program, and gives its text, which is nowhere else. The admins are told by mail, whoever made it: it lets in
    /// without a password, and outlasts the session of who made it.
    pub async fn make_service_key(
        &self,
        new: MakeServiceKey<'_>,
        by: &Administrator,
    ) -> Result<(ServiceKey, Zeroizing<String>), MakeServiceKeyError> {
        let mut invalid = Vec::new();
        let name = take("name", ServiceName::parse(new.name), &mut invalid);
        let mut scopes: Vec<ServiceScope> = Vec::new();
        for word in new.scopes {
            scopes.extend(take("scopes", word.parse::<ServiceScope>(), &mut invalid));
        }
        // Each once, in the order in which they are always told.
        scopes.sort_unstable();
        scopes.dedup();
        if new.scopes.is_empty() {
            let none = InvalidInput::one("scopes", "required", "Say what the key may do.");
            invalid.extend(none.fields);
        }
        if new.lifetime.is_some_and(|lifetime| !(SHORTEST..=LONGEST).contains(&lifetime)) {
            let message = "A key is good for a minute at least and for 3650 days at most, or without end.";
            invalid.extend(InvalidInput::one("expires", "out_of_range", message).fields);
        }
        let (Some(name), None) = (name, InvalidInput::unless_empty(invalid.clone())) else {
            return Err(InvalidInput { fields: invalid }.into());
        };

        let now = self.clock.now();
        let secret = ServiceKeySecret::generate(&*self.random);
        let key = ServiceKey {
            id: ServiceKeyId::new(now, &*self.random),
            name,
            scopes,
            hash: secret.hash(),
            created_at: now,
            expires_at: new.lifetime.map(|lifetime| now + lifetime),
            last_used_at: None,
        };
        let detail = format!("{}, {}, {}", key.name, key.scope_words(), told_of(key.id));
        let event = self.event_by(by, AuditEventKind::ServiceKeyMade, None, detail, now);
        let mut work = self.store.begin().await?;
        work.insert_service_key(&key).await?;
        self.tell_admins_of_key(&mut *work, by, now).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok((key, secret.encode()))
    }

    /// Tells the admins that can log in and have confirmed their address that a key was made.
    async fn tell_admins_of_key(
        &self,
        work: &mut dyn UnitOfWork,
        by: &Administrator,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        for admin in work.list_reachable_admins(ADMINS_TOLD).await? {
            let mail = self.mail_about(&admin, MailKind::ServiceKeyMade, by.client(), now);
            work.insert_outgoing_mail(&mail).await?;
        }
        Ok(())
    }

    /// All keys, newest first, or those made before one.
    pub async fn list_service_keys(
        &self,
        below: Option<ServiceKeyId>,
        limit: u32,
    ) -> Result<PageOf<ServiceKey>, StoreError> {
        let keys = self.store.alone().list_service_keys(below, limit.saturating_add(1)).await?;
        Ok(PageOf::cut(keys, limit))
    }

    /// Ends a key. The next request with it is refused.
    pub async fn revoke_service_key(
        &self,
        id: ServiceKeyId,
        by: &Administrator,
    ) -> Result<(), RevokeServiceKeyError> {
        let event = self.event_by(by, AuditEventKind::ServiceKeyRevoked, None, told_of(id), self.clock.now());
        let mut work = self.store.begin().await?;
        if !work.delete_service_key(id).await? {
            return Err(RevokeServiceKeyError::NotFound);
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(())
    }

    /// Whether a program may do what a scope allows, by the key that it shows. A text that was mistyped costs no statement.
    pub async fn check_service_key(
        &self,
        shown: &str,
        scope: ServiceScope,
    ) -> Result<ServiceKey, ServiceKeyRefused> {
        let secret = ServiceKeySecret::parse(shown).map_err(|_| ServiceKeyRefused::Unknown)?;
        let now = self.clock.now();
        let mut repository = self.store.alone();
        let found = repository.find_service_key(secret.hash(), now).await?;
        let key = found.ok_or(ServiceKeyRefused::Unknown)?;
        let stale = now - NOTED_EVERY;
        if key.last_used_at.is_none_or(|noted| noted <= stale) {
            repository.note_service_key_used(key.id, now, stale).await?;
        }
        if key.allows(scope) { Ok(key) } else { Err(ServiceKeyRefused::Forbidden(scope)) }
    }
}

/// How the trail names a key: the same where it is made and revoked.
fn told_of(id: ServiceKeyId) -> String {
    format!("service key {id}")
}
