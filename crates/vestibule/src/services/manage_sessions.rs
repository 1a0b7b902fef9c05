use super::{Administrator, CurrentSession};
use crate::Accounts;
use crate::models::{AuditEventKind, Client, PublicSessionId, Session, TooManyAttempts, UserId};
use crate::repository::StoreError;

/// More than anybody can look through. "End all others" ends those beyond it too.
pub(super) const MAX_SESSIONS_LISTED: u32 = 100;

/// Why a session is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ManageSessionsError {
    /// There is no such user.
    #[error("there is no such user")]
    NoUser,
    /// The user has no such session.
    #[error("there is no such session")]
    NotFound,
    /// It was asked for too often.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// The sessions of who is asking that are alive, the last seen first.
    pub async fn list_sessions(&self, current: &CurrentSession) -> Result<Vec<Session>, StoreError> {
        self.store.alone().list_sessions(current.user.id, self.clock.now(), MAX_SESSIONS_LISTED).await
    }

    /// Ends one of the sessions of who is asking. Their own too: that is a log-out.
    pub async fn end_session(
        &self,
        current: &CurrentSession,
        session: PublicSessionId,
        client: &Client,
    ) -> Result<(), ManageSessionsError> {
        let user = current.user.id;
        let event = self.event(AuditEventKind::SessionEnded, Some(user), client, self.clock.now());
        let mut work = self.store.begin().await?;
        // The owner is part of the statement: a session of somebody else is as if it were not there.
        if !work.delete_session_of(user, session).await? {
            return Err(ManageSessionsError::NotFound);
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(())
    }

    /// Ends all sessions of who is asking but the one in which they ask. Gives how many these were.
    pub async fn end_other_sessions(
        &self,
        current: &CurrentSession,
        client: &Client,
    ) -> Result<u64, ManageSessionsError> {
        let (user, session) = (current.user.id, current.session.public_id);
        let _ = self.take::<ManageSessionsError>(|limits| limits.for_ending_sessions(user, session)).await?;
        let event = self.event(AuditEventKind::OtherSessionsEnded, Some(user), client, self.clock.now());
        let mut work = self.store.begin().await?;
        let ended = work.delete_sessions_of(user, Some(current.session.id_hash)).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(ended)
    }

    /// The sessions of a user that are alive, the last seen first.
    pub async fn list_sessions_of(&self, user: UserId) -> Result<Vec<Session>, StoreError> {
        self.store.alone().list_sessions(user, self.clock.now(), MAX_SESSIONS_LISTED).await
    }

    /// How many sessions of a user are alive, those included that a list would be too long for.
    pub async fn count_sessions_of(&self, user: UserId) -> Result<u64, StoreError> {
        self.store.alone().count_sessions_of(user, self.clock.now()).await
    }

    /// Ends one session of a user.
    pub async fn end_session_of(
        &self,
        user: UserId,
        session: PublicSessionId,
        by: &Administrator,
    ) -> Result<(), ManageSessionsError> {
        let event = self.event_by(by, AuditEventKind::SessionEnded, Some(user), "", self.clock.now());
        let mut work = self.store.begin().await?;
        if !work.delete_session_of(user, session).await? {
            return Err(ManageSessionsError::NotFound);
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(())
    }

    /// Ends all sessions of a user. Gives how many these were.
    pub async fn end_sessions_of(
        &self,
        user: UserId,
        by: &Administrator,
    ) -> Result<u64, ManageSessionsError> {
        let event = self.event_by(by, AuditEventKind::AllSessionsEnded, Some(user), "", self.clock.now());
        let mut work = self.store.begin().await?;
        let ended = work.delete_sessions_of(user, None).await?;
        // Of a user who is not there nothing is told, and the event would be nobody's.
        if ended == 0 && work.find_credentials(user).await?.is_none() {
            return Err(ManageSessionsError::NoUser);
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(ended)
    }
}
