use super::CurrentSession;
use crate::Accounts;
use crate::models::{AuditEventKind, Client};
use crate::repository::StoreError;

/// Why somebody is still logged in.
#[derive(Debug, thiserror::Error)]
pub enum LogOutError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Ends the session. Its row is removed, so that a refresh under way at the same time finds nothing to
    /// refresh, whichever comes first.
    pub async fn log_out(&self, current: &CurrentSession, client: &Client) -> Result<(), LogOutError> {
        let event = self.event(AuditEventKind::LoggedOut, Some(current.user.id), client, self.clock.now());
        let mut work = self.store.begin().await?;
        if work.delete_session(current.session.id_hash).await? {
            work.insert_audit_event(&event).await?;
        }
        work.commit().await?;
        Ok(())
    }
}
