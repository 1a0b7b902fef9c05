use super::Administrator;
use super::add_user::UnknownRole;
use crate::Accounts;
use crate::models::{AuditEventKind, Role, User, UserId};
use crate::repository::{StoreError, UnitOfWork};

/// Why somebody has the role that they had.
#[derive(Debug, thiserror::Error)]
pub enum ChangeRoleError {
    /// There is no such user.
    #[error("there is no such user")]
    NoUser,
    /// The site has no such role.
    #[error(transparent)]
    Role(#[from] UnknownRole),
    /// Nobody would be left to look after the site.
    #[error(transparent)]
    LastAdmin(#[from] LastAdmin),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The last admin stays: a site without one could be looked after from its command line only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is the last admin; make somebody else one first")]
pub struct LastAdmin;

impl Accounts {
    /// Gives a user another role. It holds for their next request.
    pub async fn change_role(
        &self,
        user: UserId,
        role: &Role,
        by: &Administrator,
    ) -> Result<User, ChangeRoleError> {
        self.require_known_role(role)?;
        let now = self.clock.now();
        let mut work = self.store.begin().await?;
        if *role != Role::Admin {
            require_another_admin(&mut *work, user).await?.map_err(ChangeRoleError::from)?;
        }
        let before = work.find_credentials(user).await?.ok_or(ChangeRoleError::NoUser)?.user.role;
        let user = work.set_role(user, role, now).await?.ok_or(ChangeRoleError::NoUser)?;
        let detail = format!("{before} to {role}");
        let event = self.event_by(by, AuditEventKind::RoleChanged, Some(user.id), detail, now);
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(user)
    }
}

/// Whether somebody would be left to look after the site without this user. Until the work ends, no other changes that.
pub(super) async fn require_another_admin(
    work: &mut dyn UnitOfWork,
    user: UserId,
) -> Result<Result<(), LastAdmin>, StoreError> {
    let admins = work.lock_admins().await?;
    Ok(if admins == [user] { Err(LastAdmin) } else { Ok(()) })
}
