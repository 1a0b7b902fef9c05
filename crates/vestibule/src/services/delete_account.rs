use super::change_role::{LastAdmin, require_another_admin};
use super::{CurrentPasswordError, CurrentSession};
use crate::Accounts;
use crate::models::{AuditEventKind, Client, Role};
use crate::repository::StoreError;

/// Why the account is still there.
#[derive(Debug, thiserror::Error)]
pub enum DeleteAccountError {
    /// The password was not right.
    #[error(transparent)]
    CurrentPassword(#[from] CurrentPasswordError),
    /// Nobody would be left to look after the site.
    #[error(transparent)]
    LastAdmin(#[from] LastAdmin),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Removes the account of who is asking and everything that refers to it: sessions, links, mails that wait, the
    /// audit trail, and what the application keeps in tables that refer to users.
    ///
    /// What stays is one event that says when an account was removed, and not whose.
    pub async fn delete_account(
        &self,
        current: &CurrentSession,
        current_password: &str,
        client: &Client,
    ) -> Result<(), DeleteAccountError> {
        let user = &current.user;
        let proof = self.verify_current_password(user, current_password, &current.devices(), client).await?;
        let event = self.event(AuditEventKind::AccountDeleted, None, &Client::default(), self.clock.now());

        let mut work = self.store.begin().await?;
        if user.role == Role::Admin {
            require_another_admin(&mut *work, user.id).await?.map_err(DeleteAccountError::from)?;
        }
        if !work.delete_user(user.id, Some(proof.hash())).await? {
            return Err(CurrentPasswordError::Wrong.into());
        }
        // Password resets that strangers may have asked for name the address and no user.
        work.delete_mails_to(&user.email).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(())
    }
}
