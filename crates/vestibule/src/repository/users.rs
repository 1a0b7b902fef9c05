use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::models::{EmailAddress, PasswordHash, User, UserId};

/// A user and what their password is compared with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Who.
    pub user: User,
    /// None where the account has no password.
    pub password_hash: Option<PasswordHash>,
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

    /// The user of an address, with what their password is compared with.
    async fn find_credentials_by_email(
        &mut self,
        email: &EmailAddress,
    ) -> Result<Option<Credentials>, StoreError>;

    /// Puts `new` in the place of `old`. `false` where `old` is not what is stored.
    async fn replace_password_hash(
        &mut self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;
}
