use super::Administrator;
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{
    AuditEventKind, CandidatePassword, EmailAddress, InvalidInput, PersonName, Role, User, UserId,
};
use crate::ports::{HasherError, Standing};
use crate::repository::{Inserted, StoreError};

/// Somebody who shall have an account.
#[derive(Clone, Copy)]
pub struct AddUser<'a> {
    /// How they are called.
    pub name: &'a str,
    /// Their address.
    pub email: &'a str,
    /// The password that they begin with.
    pub password: &'a str,
    /// Their role.
    pub role: &'a Role,
    /// Whether it is known that mail to the address reaches them.
    pub is_email_verified: bool,
}

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub enum AddUserError {
    /// Something has to be typed again.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The site has no such role.
    #[error(transparent)]
    Role(#[from] UnknownRole),
    /// There is an account with this address.
    #[error("there is an account with this email address")]
    EmailTaken,
    /// No room to hash the password, or it failed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The site has no role of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this site has no role {name:?}: its roles are {known}")]
pub struct UnknownRole {
    name: String,
    known: String,
}

impl Accounts {
    /// Makes an account for somebody. No mail is sent and nobody is logged in.
    pub async fn add_user(&self, new: AddUser<'_>, by: &Administrator) -> Result<User, AddUserError> {
        self.require_known_role(new.role)?;
        let mut invalid = Vec::new();
        let name = take("name", PersonName::parse(new.name), &mut invalid);
        let email = take("email", EmailAddress::parse(new.email), &mut invalid);
        let site_name = &self.policy.site_name;
        let candidate = CandidatePassword::parse(new.password, email.as_ref(), name.as_ref(), site_name);
        let password = match take("password", candidate, &mut invalid) {
            Some(candidate) => {
                take("password", self.judge(candidate, Standing::Stranger).await?, &mut invalid)
            }
            None => None,
        };
        let (Some(name), Some(email), Some(password)) = (name, email, password) else {
            return Err(InvalidInput { fields: invalid }.into());
        };
        let hash = self.hasher.hash(password.into_password(), Standing::Stranger).await?;

        let now = self.clock.now();
        let user = User {
            id: UserId::new(now, &*self.random),
            email,
            name,
            is_email_verified: new.is_email_verified,
            role: new.role.clone(),
            is_disabled: false,
            created_at: now,
            updated_at: now,
        };
        let event = self.event_by(by, AuditEventKind::UserAdded, Some(user.id), user.role.as_str(), now);
        let mut work = self.store.begin().await?;
        if work.insert_user(&user, Some(&hash)).await? == Inserted::AlreadyThere {
            return Err(AddUserError::EmailTaken);
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(user)
    }

    /// The roles that the site has: the two that every site has, and those of its own.
    pub fn roles(&self) -> Vec<Role> {
        [Role::User, Role::Admin].into_iter().chain(self.policy.roles.iter().cloned()).collect()
    }

    pub(super) fn require_known_role(&self, role: &Role) -> Result<(), UnknownRole> {
        let known = self.roles();
        if known.contains(role) {
            return Ok(());
        }
        let known: Vec<&str> = known.iter().map(Role::as_str).collect();
        Err(UnknownRole { name: role.to_string(), known: known.join(", ") })
    }
}
