use super::change_role::require_another_admin;
use super::{Administrator, DisableUserError};
use crate::Accounts;
use crate::models::{AuditEventKind, UserId};

impl Accounts {
    /// Removes somebody's account and everything that refers to it, as they could themselves. What stays is what stays then,
    /// and by whom it was removed.
    pub async fn delete_user(&self, user: UserId, by: &Administrator) -> Result<(), DisableUserError> {
        let now = self.clock.now();
        let event = self.event_by(by, AuditEventKind::AccountDeleted, Some(user), "", now);
        let mut work = self.store.begin().await?;
        require_another_admin(&mut *work, user).await?.map_err(DisableUserError::from)?;
        let found = work.find_credentials(user).await?.ok_or(DisableUserError::NoUser)?;
        // While there is a user of that id.
        work.insert_audit_event(&event).await?;
        if !work.delete_user(user, None).await? {
            return Err(DisableUserError::NoUser);
        }
        work.delete_reset_requests_to(&found.user.email).await?;
        work.commit().await?;
        Ok(())
    }
}
