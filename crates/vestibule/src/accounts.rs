use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use time::Duration;

use crate::live_keys::LiveKeys;
use crate::models::{
    PublicKey, PublicUrl, RateLimits, Role, SecretKeys, ServerKeys, SessionLifetimes, SignUpMode,
    SigningKeyError,
};
use crate::ports::{BreachedPasswords, Clock, HashingLoad, PasswordHasher, PersonalData, Random};
use crate::refusals::Refusals;
use crate::repository::{Store, StoreError};
use crate::services::{SeenSessions, read_ring, seal_anew};
use crate::session_cache::{CacheState, SessionCache};

/// Everything that can be done with accounts. Each thing is a method, in a file of its own under
/// [`services`](crate::services).
pub struct Accounts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) hasher: Arc<dyn PasswordHasher>,
    pub(crate) breached_passwords: Vec<Arc<dyn BreachedPasswords>>,
    pub(crate) personal_data: Vec<Arc<dyn PersonalData>>,
    pub(crate) keys: ServerKeys,
    pub(crate) live_keys: LiveKeys,
    pub(crate) exports_under_way: Arc<AtomicUsize>,
    pub(crate) refusals: Refusals,
    pub(crate) session_cache: Arc<SessionCache>,
    pub(crate) seen: SeenSessions,
    pub(crate) policy: Policy,
}

/// What accounts need of the world.
pub struct Ports {
    /// Where they are kept.
    pub store: Arc<dyn Store>,
    /// What is remembered of it. The store tells it what changes.
    pub session_cache: Arc<SessionCache>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// A place to hash passwords.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Who knows of leaked passwords, asked one after the other; nobody unless the owner of the site wants it.
    pub breached_passwords: Vec<Arc<dyn BreachedPasswords>>,
    /// What the application keeps of a user beside their account.
    pub personal_data: Vec<Arc<dyn PersonalData>>,
}

/// What the owner of the site decides.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The site's name, as people know it.
    pub site_name: String,
    /// The site's address.
    pub public_url: PublicUrl,
    /// How long an access token is good. Longer saves refreshes; who copies a token has it that long at most,
    /// and only while its session lives.
    pub access_ttl: Duration,
    /// How long sessions live.
    pub session: SessionLifetimes,
    /// How people come by accounts.
    pub sign_up: SignUpMode,
    /// How long a link that confirms an address is good.
    pub confirm_ttl: Duration,
    /// How long a link that resets a password is good.
    pub reset_ttl: Duration,
    /// Whether a user must have confirmed their address before they may use more than their account.
    pub require_confirmed_email: bool,
    /// How many mails the provider takes in a day (UTC), where that is limited. A fifth of them, and at least
    /// one, is kept for password resets and for notices to the owners of confirmed addresses.
    pub mail_daily_limit: Option<u32>,
    /// Whether mails go anywhere. Where none is set they wait, and nobody is told that one is on its way.
    pub sends_mail: bool,
    /// The roles that the site has beside `user` and `admin`.
    pub roles: Vec<Role>,
    /// How long the audit trail is kept.
    pub audit_retention: Duration,
    /// How often passwords, links and addresses may be tried. None is for tests and measurements on one's own machine.
    pub rate_limits: Option<RateLimits>,
}

/// Why accounts could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored signing keys belong to another secret key.
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
}

impl Policy {
    /// The defaults for a site: access tokens of 5 minutes, sessions of 7 days without use and 30 days in all, links
    /// that confirm for a day and that reset for 30 minutes, an audit trail of a year.
    pub fn new(site_name: impl Into<String>, public_url: PublicUrl) -> Self {
        Self {
            site_name: site_name.into(),
            public_url,
            access_ttl: Duration::minutes(5),
            session: SessionLifetimes { idle: Duration::days(7), absolute: Duration::days(30) },
            sign_up: SignUpMode::Open,
            confirm_ttl: Duration::hours(24),
            reset_ttl: Duration::minutes(30),
            require_confirmed_email: false,
            mail_daily_limit: None,
            sends_mail: true,
            roles: Vec::new(),
            audit_retention: Duration::days(365),
            rate_limits: Some(RateLimits::default()),
        }
    }
}

impl Accounts {
    /// Opens the accounts of a store. The first time, the key that signs access tokens is made; of several
    /// servers that start at once, all use the key of the one that was first. Keys that lie under an older secret are
    /// encrypted anew under the newest.
    pub async fn open(ports: Ports, secrets: &SecretKeys, policy: Policy) -> Result<Self, OpenError> {
        let Ports { store, session_cache, clock, random, hasher, breached_passwords, personal_data } = ports;
        let keys = secrets.derive();
        seal_anew(&*store, &keys, &*random).await?;
        let live_keys = LiveKeys::new(read_ring(&*store, &keys, &*random, &policy, clock.now()).await?);
        let exports_under_way = Arc::default();
        Ok(Self {
            store,
            clock,
            random,
            hasher,
            breached_passwords,
            personal_data,
            keys,
            live_keys,
            exports_under_way,
            refusals: Refusals::default(),
            session_cache,
            seen: SeenSessions::default(),
            policy,
        })
    }

    /// The public halves of the keys that sign access tokens: the JWKS.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.live_keys.ring().public_keys(self.clock.now())
    }

    /// How busy the place is where passwords are hashed, where it can tell.
    pub fn hashing_load(&self) -> Option<HashingLoad> {
        self.hasher.load()
    }

    /// How the cache of sessions does.
    pub fn session_cache(&self) -> CacheState {
        self.session_cache.state()
    }

    /// What the owner of the site decided.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The present moment, as the accounts see it.
    pub fn now(&self) -> time::OffsetDateTime {
        self.clock.now()
    }

    /// The clock, for what an application keeps beside accounts.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The source of chance, for what an application keeps beside accounts.
    pub fn random(&self) -> Arc<dyn Random> {
        Arc::clone(&self.random)
    }
}
