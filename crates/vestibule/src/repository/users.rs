use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::models::{DeviceHash, EmailAddress, PasswordHash, PersonName, User, UserId};

/// A user and what their password is compared with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Who.
    pub user: User,
    /// None where the account has no password.
    pub password_hash: Option<PasswordHash>,
}

/// What a log-in needs to know.
#[derive(Debug, Clone)]
pub struct CredentialsAndDevice {
    /// The user.
    pub credentials: Credentials,
    /// When they last logged in with this browser; none where they never did.
    pub device_seen_at: Option<OffsetDateTime>,
}

/// What came of another address.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmailReplaced {
    /// The user has it now.
    Done(Box<User>),
    /// Somebody has it.
    Taken,
    /// There is no such user, or they are disabled.
    NoUser,
}

/// What came of an insertion.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is there now.
    New,
    /// Something of that key was there before and is unchanged.
    AlreadyThere,
}

/// The users.
#[async_trait]
pub trait Users {
    /// Adds a user, unless somebody has the address.
    async fn insert_user(
        &mut self,
        user: &User,
        password_hash: Option<&PasswordHash>,
    ) -> Result<Inserted, StoreError>;

    /// The user of an address, with what their password is compared with, and when they used the browser.
    async fn find_credentials_by_email(
        &mut self,
        email: &EmailAddress,
        device: Option<DeviceHash>,
    ) -> Result<Option<CredentialsAndDevice>, StoreError>;

    /// A user, with what their password is compared with.
    async fn find_credentials(&mut self, user: UserId) -> Result<Option<Credentials>, StoreError>;

    /// Puts `new` in the place of `old`. `false` where `old` is not what is stored.
    async fn replace_password_hash(
        &mut self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Sets the password whatever it was, and the address as confirmed: for who has just shown that mail to it reaches
    /// them. `false` where the user is gone or disabled.
    async fn reset_password(
        &mut self,
        user: UserId,
        new: &PasswordHash,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Sets an address as confirmed while it is the user's. Gives the user as they are then.
    async fn confirm_email(
        &mut self,
        user: UserId,
        email: &EmailAddress,
        now: OffsetDateTime,
    ) -> Result<Option<User>, StoreError>;

    /// Puts another address, which is confirmed, in the place of the user's.
    async fn replace_email(
        &mut self,
        user: UserId,
        email: &EmailAddress,
        now: OffsetDateTime,
    ) -> Result<EmailReplaced, StoreError>;

    /// Changes the name. Gives the user as they are then.
    async fn change_name(
        &mut self,
        user: UserId,
        name: &PersonName,
        now: OffsetDateTime,
    ) -> Result<Option<User>, StoreError>;

    /// Removes a user who still has the password hash that was verified, and with them all that refers to them.
    /// `false` where they have not.
    async fn delete_user(&mut self, user: UserId, password_hash: &PasswordHash) -> Result<bool, StoreError>;
}
