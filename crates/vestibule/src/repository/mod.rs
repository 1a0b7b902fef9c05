//! What the services ask of a store.
//!
//! Absence is an `Option`, a duplicate is an outcome, and [`StoreError`] is kept for a store that failed. A
//! change that depends on a check is one statement that does both.

mod audit_events;
mod certificates;
mod devices;
mod invitations;
mod one_time_tokens;
mod outgoing_mails;
mod rate_limits;
mod revocations;
mod service_keys;
mod sessions;
mod sign_up_attempts;
mod signing_keys;
mod users;

use async_trait::async_trait;

pub use audit_events::{AuditEvents, AuditFilter, EventCount};
pub use certificates::Certificates;
pub use devices::Devices;
pub use invitations::Invitations;
pub use one_time_tokens::{EmailTokenAndOwner, OneTimeTokens};
pub use outgoing_mails::{ClaimError, MailFilter, OutgoingMails};
pub use rate_limits::RateLimits;
pub use revocations::Revocations;
pub use service_keys::ServiceKeys;
pub use sessions::{MOST_SEEN_AT_ONCE, NewSession, Rotation, SessionAndUser, SessionDays, Sessions};
pub use sign_up_attempts::SignUpAttempts;
pub use signing_keys::SigningKeys;
pub use users::{
    Counted, CountedAttempt, Credentials, CredentialsAndDevice, EmailReplaced, Inserted, UserFilter, Users,
};

/// Where accounts are kept.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Questions and changes of one statement each, which holds by itself when it returns.
    fn alone(&self) -> Box<dyn Repository>;

    /// Several statements that hold together or not at all. Only services begin one.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;
}

/// All that can be asked of the store.
pub trait Repository:
    Users
    + Sessions
    + SignUpAttempts
    + Invitations
    + OneTimeTokens
    + Devices
    + OutgoingMails
    + AuditEvents
    + SigningKeys
    + ServiceKeys
    + Revocations
    + RateLimits
    + Send
{
}

impl<T> Repository for T where
    T: Users
        + Sessions
        + SignUpAttempts
        + Invitations
        + OneTimeTokens
        + Devices
        + OutgoingMails
        + AuditEvents
        + SigningKeys
        + ServiceKeys
        + Revocations
        + RateLimits
        + Send
{
}

/// A transaction. Dropping it undoes everything.
#[async_trait]
pub trait UnitOfWork: Repository {
    /// Makes everything hold.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// The store failed. There is nothing that the person who asked did wrong.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct StoreError {
    doing: String,
    failure: StoreFailure,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// In which way a store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFailure {
    /// It is broken, or was asked something wrong.
    Broken,
    /// It cannot be reached or does not answer in time: trying again later may help.
    Unavailable,
    /// Another change was faster: a unique value is taken, or a row that this one refers to is gone.
    Conflict,
    /// The application does not want it.
    Refused,
}

/// Why the application does not want a change of accounts: what its hooks in the store say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// A sentence for who asked.
    pub message: String,
    /// The field of the form that it is about, if any.
    pub field: Option<&'static str>,
}

impl StoreError {
    /// What was being done, and why it failed.
    pub fn new(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::of(StoreFailure::Broken, doing, source)
    }

    /// The same, with the way in which it failed.
    pub fn of(
        failure: StoreFailure,
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { doing: doing.into(), failure, source: source.into() }
    }

    /// The application does not want the change.
    pub fn refused(refusal: Refusal) -> Self {
        Self::of(StoreFailure::Refused, "the application refused it", refusal)
    }

    /// What the application says, where it does not want the change.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.source.downcast_ref()
    }

    /// Whether the store could not be reached, in contrast to being broken.
    pub fn is_unavailable(&self) -> bool {
        self.failure == StoreFailure::Unavailable
    }

    /// Whether another change was faster.
    pub fn is_conflict(&self) -> bool {
        self.failure == StoreFailure::Conflict
    }
}
