use super::Administrator;
use super::change_role::{LastAdmin, require_another_admin};
use crate::Accounts;
use crate::models::{AuditEventKind, User, UserId};
use crate::repository::StoreError;

/// Why a user is as they were.
#[derive(Debug, thiserror::Error)]
pub enum DisableUserError {
    /// There is no such user.
    #[error("there is no such user")]
    NoUser,
    /// Nobody would be left to look after the site.
    #[error(transparent)]
    LastAdmin(#[from] LastAdmin),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Shuts a user out: their sessions and the links under way end with the same commit, and no password or link lets
    /// them in. What they own stays.
    pub async fn disable_user(&self, user: UserId, by: &Administrator) -> Result<User, DisableUserError> {
        let now = self.clock.now();
        let event = self.event_by(by, AuditEventKind::UserDisabled, Some(user), "", now);
        let mut work = self.store.begin().await?;
        require_another_admin(&mut *work, user).await?.map_err(DisableUserError::from)?;
        let disabled = work.set_disabled(user, true, now).await?.ok_or(DisableUserError::NoUser)?;
        work.delete_sessions_of(user, None).await?;
        work.end_reset_tokens(user).await?;
        work.end_email_tokens(user).await?;
        self.end_waiting_links(&mut *work, &disabled, None, "the user was disabled", now).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(disabled)
    }

    /// Lets a disabled user log in again.
    pub async fn enable_user(&self, user: UserId, by: &Administrator) -> Result<User, DisableUserError> {
        let now = self.clock.now();
        let event = self.event_by(by, AuditEventKind::UserEnabled, Some(user), "", now);
        let mut work = self.store.begin().await?;
        let enabled = work.set_disabled(user, false, now).await?.ok_or(DisableUserError::NoUser)?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(enabled)
    }
}
