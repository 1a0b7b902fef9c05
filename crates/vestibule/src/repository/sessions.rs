use std::sync::Arc;

use async_trait::async_trait;
use time::{Date, OffsetDateTime};

use super::StoreError;
use crate::models::{
    AuditEvent, PasswordHash, PublicSessionId, RefreshSecretHash, Session, SessionIdHash, User, UserId,
};

/// So many sessions are noted as seen with one statement.
pub const MOST_SEEN_AT_ONCE: usize = 32;

/// A session to be stored, and the password hash that its owner was verified against.
#[derive(Debug, Clone)]
pub struct NewSession<'a> {
    /// The session.
    pub session: &'a Session,
    /// The session is stored only while this is still the user's hash.
    pub password_hash: &'a PasswordHash,
}

/// A session and whose it is. Cheap to clone: most checks take what was read for another.
#[derive(Debug, Clone)]
pub struct SessionAndUser {
    /// The session.
    pub session: Arc<Session>,
    /// Its owner.
    pub user: Arc<User>,
}

/// A refresh, as the store is asked to decide it.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// Which session.
    pub session: SessionIdHash,
    /// The secret that was shown.
    pub shown: RefreshSecretHash,
    /// Its successor.
    pub next: RefreshSecretHash,
    /// The present moment.
    pub now: OffsetDateTime,
    /// The shown secret, where it is the previous one, is honoured if the current one was first used after this.
    pub grace_start: OffsetDateTime,
    /// When the session ends if it is not refreshed again.
    pub expires_at: OffsetDateTime,
}

/// How many sessions begin on a day and end on another, if they are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionDays {
    /// The day on which they began, in UTC.
    pub first: Date,
    /// The day on which they expire, in UTC.
    pub last: Date,
    /// How many.
    pub count: u64,
}

/// The sessions.
#[async_trait]
pub trait Sessions {
    /// Stores a session, in one statement with the check that its user is there, not disabled, and still has
    /// the password that was verified. `false` where that is not so. An id that exists is never overwritten.
    async fn insert_session(&mut self, new: NewSession<'_>) -> Result<bool, StoreError>;

    /// The same with the event that tells of it: both or neither. Within other work that work is to be dropped after an error.
    async fn insert_session_with_event(
        &mut self,
        new: NewSession<'_>,
        event: &AuditEvent,
    ) -> Result<bool, StoreError>;

    /// A session with its user, whatever state they are in.
    async fn find_session_with_user(
        &mut self,
        id: SessionIdHash,
    ) -> Result<Option<SessionAndUser>, StoreError>;

    /// Decides a refresh in one statement. The secret shown must be the current one, whose place the next one
    /// then takes; or the one before it, while that is honoured and the next one is already in place. Gives the
    /// session as it is after that; nothing where the refresh is refused.
    async fn rotate_secret(&mut self, rotation: Rotation) -> Result<Option<Session>, StoreError>;

    /// The same without a reading before it, for nearly every refresh: nothing is wrong with it, and the secret shown is the
    /// current one. Gives nothing where that is not so, where the CSRF token is another, and where anything else is not as it should
    /// be; then it is read what. The session ends as the rotation says, and never past its absolute end.
    async fn rotate_current_secret(
        &mut self,
        rotation: Rotation,
        csrf_token: &str,
    ) -> Result<Option<SessionAndUser>, StoreError>;

    /// Notes that the current secret was shown for the first time. Nothing happens where it is not current any
    /// more or was shown before.
    async fn mark_secret_used(
        &mut self,
        id: SessionIdHash,
        current: &RefreshSecretHash,
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Notes that sessions were seen, at most [`MOST_SEEN_AT_ONCE`], and counts those that were not seen later than that.
    async fn note_sessions_seen(
        &mut self,
        sessions: &[SessionIdHash],
        at: OffsetDateTime,
    ) -> Result<u64, StoreError>;

    /// Ends a session for ever because of a secret that is stale, in one statement with the check that it is.
    /// `false` where it was ended before, or the secret is not stale.
    async fn revoke_replayed_session(
        &mut self,
        id: SessionIdHash,
        shown: &RefreshSecretHash,
        grace_start: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Notes that the password was given once more in a session. `false` where the session is gone.
    async fn note_password_given(
        &mut self,
        id: SessionIdHash,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// How many sessions are alive.
    async fn count_sessions(&mut self, now: OffsetDateTime) -> Result<u64, StoreError>;

    /// The sessions that had not expired before a moment, counted by the days on which they begin and end. Those that were
    /// ended are not among them.
    async fn count_sessions_by_days(&mut self, from: OffsetDateTime) -> Result<Vec<SessionDays>, StoreError>;

    /// Removes a session. `false` where it was gone.
    async fn delete_session(&mut self, id: SessionIdHash) -> Result<bool, StoreError>;

    /// A user's sessions that are alive, the last seen first, at most `limit`.
    async fn list_sessions(
        &mut self,
        user: UserId,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError>;

    /// How many of a user's sessions are alive.
    async fn count_sessions_of(&mut self, user: UserId, now: OffsetDateTime) -> Result<u64, StoreError>;

    /// Removes a session of a user by its public name. `false` where the user has none of that name.
    async fn delete_session_of(&mut self, user: UserId, id: PublicSessionId) -> Result<bool, StoreError>;

    /// Removes all sessions of a user, or all but one, and counts them.
    async fn delete_sessions_of(
        &mut self,
        user: UserId,
        but: Option<SessionIdHash>,
    ) -> Result<u64, StoreError>;

    /// Every session of a user that is stored, over or not, the last begun first, at most `limit`. `below` is the last one of
    /// the page before.
    async fn list_every_session(
        &mut self,
        user: UserId,
        below: Option<PublicSessionId>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError>;

    /// Removes sessions that were over before a moment, at most `limit`, and counts them. One that was revoked stays until
    /// `now` is past its absolute end: as long as somebody could show one of its cookies.
    async fn delete_old_sessions(
        &mut self,
        over_before: OffsetDateTime,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
