use time::OffsetDateTime;

use super::Administrator;
use crate::accounts::OpenError;
use crate::live_keys::Turn;
use crate::models::{
    AccessClaims, AuditEventKind, KEY_LEARNING_TIME, KeyRing, ListedKey, SealedSigningKey, ServerKeys,
    SigningKey,
};
use crate::ports::Random;
use crate::repository::{Inserted, Store, StoreError};
use crate::{Accounts, Policy};

/// When the new key begins to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeOver {
    /// After all verifiers could learn it. Nobody notices anything.
    WhenKnown,
    /// At once, and all keys before it are thrown away: for a key that somebody else may have. Browsers refresh;
    /// programs that hold a token need another one.
    AtOnce,
}

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
pub enum RotateKeysError {
    /// The last rotation is not over.
    #[error("key {kid} waits already, and signs from {activates_at} on")]
    OneWaits {
        /// The new key.
        kid: String,
        /// When it begins to sign.
        activates_at: OffsetDateTime,
    },
    /// Two were asked for at the same moment.
    #[error("another rotation was faster")]
    Overtaken,
    /// The store failed, or the keys belong to another secret key.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<StoreError> for RotateKeysError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

impl Accounts {
    /// Makes a new key that signs access tokens. It is published at once. Servers that run learn it within half a minute,
    /// or from the first token that they are shown of it.
    pub async fn rotate_keys(
        &self,
        take_over: TakeOver,
        by: &Administrator,
    ) -> Result<ListedKey, RotateKeysError> {
        let now = self.clock.now();
        let mut work = self.store.begin().await?;
        let newest = work.list_signing_keys().await?.pop();
        if take_over == TakeOver::WhenKnown
            && let Some(waiting) = newest.as_ref().filter(|newest| newest.activates_at > now)
        {
            let (kid, activates_at) = (waiting.kid.clone(), waiting.activates_at);
            return Err(RotateKeysError::OneWaits { kid, activates_at });
        }
        let (activates_at, words) = match take_over {
            TakeOver::WhenKnown => (now + KEY_LEARNING_TIME, ""),
            TakeOver::AtOnce => (now, " at once"),
        };
        let generation = newest.map_or(1, |newest| newest.generation + 1);
        let key = SigningKey::generate(generation, now, &*self.random)
            .activating_at(activates_at)
            .for_tokens_of(self.policy.access_ttl);
        let kid = key.kid().to_owned();
        let event = self.event_by(by, AuditEventKind::KeysRotated, None, format!("to {kid}{words}"), now);
        // A generation has one key, so of two rotations at the same moment one finds its place taken.
        if work.insert_signing_key(&key.seal(&self.keys, &*self.random)).await? == Inserted::AlreadyThere {
            return Err(RotateKeysError::Overtaken);
        }
        if take_over == TakeOver::AtOnce {
            work.delete_signing_keys_before(generation).await?;
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;

        self.read_keys().await?;
        let made = self.list_keys().into_iter().find(|listed| listed.kid == kid);
        // Not there any more: another one was made at once meanwhile, and threw this one away.
        made.ok_or(RotateKeysError::Overtaken)
    }

    /// The keys that sign access tokens with what each does at this moment, oldest first, as they were last read.
    pub fn list_keys(&self) -> Vec<ListedKey> {
        self.live_keys.ring().list(self.clock.now())
    }

    /// Reads the keys again, for another server or an operator may have changed them.
    pub async fn read_keys(&self) -> Result<(), OpenError> {
        let now = self.clock.now();
        let ring = read_ring(&*self.store, &self.keys, &*self.random, &self.policy, now).await?;
        let is_one_gone = self.live_keys.replace(ring);
        // A token that was verified with a key that was thrown away is verified again.
        if is_one_gone {
            self.session_cache.forget_all();
        }
        Ok(())
    }

    /// Reads and verifies an access token; nothing where it is none of ours or over. One that names a key which is not
    /// known here may be another server's whose keys are newer, so they are read again, though not more often than each
    /// few seconds, whatever strangers show.
    pub(super) async fn verify_access_token(
        &self,
        token: &str,
        now: OffsetDateTime,
    ) -> Result<Option<AccessClaims>, StoreError> {
        let ring = self.live_keys.ring();
        if !ring.lacks_the_key_of(token) {
            return Ok(ring.verify(token, now).ok());
        }
        match self.live_keys.take_turn(now) {
            Turn::Ask(asking) => {
                let read = self.read_keys().await;
                drop(asking);
                match read {
                    Err(OpenError::Store(error)) => return Err(error),
                    // Keys that cannot be opened are told where they are read in turn; the ones here are still good.
                    Ok(()) | Err(OpenError::SigningKey(_)) => {}
                }
            }
            // It ends with the other's question, however that ends.
            Turn::Wait(told) => drop(told.await),
            Turn::NotAgain => {}
        }
        Ok(self.live_keys.ring().verify(token, now).ok())
    }
}

/// Encrypts stored keys anew that lie under an older secret than the newest, so that the older one is not needed for them any
/// more. Another server of the installation may do so too, or the other way round while its list is in another order.
pub(crate) async fn seal_anew(
    store: &dyn Store,
    keys: &ServerKeys,
    random: &dyn Random,
) -> Result<(), OpenError> {
    let mut repository = store.alone();
    for before in repository.list_signing_keys().await? {
        if let Some(after) = before.sealed_anew(keys, random)? {
            // Where it was replaced meanwhile, another server did it.
            let _ = repository.replace_sealed_signing_key(&before, &after).await?;
        }
    }
    Ok(())
}

/// Reads the stored keys. The first time, a key is made; of several servers that start at once, all use the key of the one
/// that was first.
///
/// Before this server signs with a key, the key's row knows for how long: a server whose tokens live longer than those of
/// the one that made the key must not have them thrown away early.
pub(crate) async fn read_ring(
    store: &dyn Store,
    keys: &ServerKeys,
    random: &dyn Random,
    policy: &Policy,
    now: OffsetDateTime,
) -> Result<KeyRing, OpenError> {
    let mut repository = store.alone();
    let mut stored = repository.list_signing_keys().await?;
    if stored.is_empty() {
        let first = SigningKey::generate(1, now, random).for_tokens_of(policy.access_ttl);
        // Another server's key may be there first. Whichever it is, it is the one to use.
        let _ = repository.insert_signing_key(&first.seal(keys, random)).await?;
        stored = repository.list_signing_keys().await?;
    }
    let issuer = policy.public_url.origin();
    let ring = KeyRing::open(&stored, keys, issuer.clone())?;
    let signing = ring.signing_generation(now);
    let is_short = |key: &SealedSigningKey| key.generation >= signing && key.token_ttl < policy.access_ttl;
    if !stored.iter().any(is_short) {
        return Ok(ring);
    }
    repository.raise_token_ttl(signing, policy.access_ttl).await?;
    for key in stored.iter_mut().filter(|key| is_short(key)) {
        key.token_ttl = policy.access_ttl;
    }
    Ok(KeyRing::open(&stored, keys, issuer)?)
}
