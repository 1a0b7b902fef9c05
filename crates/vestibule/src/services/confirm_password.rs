use super::{CurrentPasswordError, CurrentSession};
use crate::Accounts;
use crate::models::{AuditEventKind, Client, SessionEnded};
use crate::repository::StoreError;

/// Why the password was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmPasswordError {
    /// It was not right.
    #[error(transparent)]
    CurrentPassword(#[from] CurrentPasswordError),
    /// The session was ended in this moment.
    #[error(transparent)]
    SessionEnded(#[from] SessionEnded),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Takes the password of who is logged in once more, before what asks for a recent one. A stranger at an open
    /// computer, or with a copied cookie, stops here.
    pub async fn confirm_password(
        &self,
        current: &CurrentSession,
        password: &str,
        client: &Client,
    ) -> Result<(), ConfirmPasswordError> {
        let user = &current.user;
        self.verify_current_password(user, password, &current.devices(), client).await?;
        let now = self.clock.now();
        let event = self.event(AuditEventKind::PasswordConfirmed, Some(user.id), client, now);
        let mut work = self.store.begin().await?;
        if !work.note_password_given(current.session.id_hash, now).await? {
            return Err(SessionEnded::Revoked.into());
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(())
    }
}
