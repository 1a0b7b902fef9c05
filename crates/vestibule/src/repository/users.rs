use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::models::{Bucket, DeviceHash, EmailAddress, PasswordHash, PersonName, Role, User, UserId};

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

/// The same, and how the attempt was counted.
#[derive(Debug, Clone)]
pub struct CountedAttempt {
    /// What was found.
    pub found: CredentialsAndDevice,
    /// Whether one was taken from the bucket of the browser.
    pub counted: Counted,
}

/// Whether an attempt was counted by the browser that it is made with.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// One was taken from the browser's bucket.
    Taken,
    /// That is empty.
    Empty,
    /// The user never used the browser: a stranger's attempt, which is not counted yet.
    NotTheirs,
}

impl Counted {
    /// How an attempt was counted that took one or not, at a browser that the user has used or not.
    pub fn of(is_theirs: bool, is_taken: bool) -> Self {
        match (is_theirs, is_taken) {
            (false, _) => Self::NotTheirs,
            (true, true) => Self::Taken,
            (true, false) => Self::Empty,
        }
    }
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

/// Which users are looked for. Nothing set is everybody.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Some letters of their address or their name, in any case.
    pub words: String,
    /// Their role.
    pub role: Option<Role>,
    /// Only those who signed up before this one: the next page.
    pub below: Option<UserId>,
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

    /// The same, and where the user used the browser, one is taken from a bucket: an attempt of theirs is counted with the question
    /// for what it is compared with.
    async fn find_credentials_and_take(
        &mut self,
        email: &EmailAddress,
        device: DeviceHash,
        bucket: &Bucket,
        now: OffsetDateTime,
    ) -> Result<Option<CountedAttempt>, StoreError>;

    /// The admins who can log in and have confirmed their address, at most `limit`. Those who have an account longest first: who makes
    /// many more admins does not keep what is told to them from those who were there.
    async fn list_reachable_admins(&mut self, limit: u32) -> Result<Vec<User>, StoreError>;

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

    /// Removes a user, where a hash is given only while it is still theirs, and with them all that refers to them.
    /// `false` where there is no such user or that is not their hash.
    async fn delete_user(
        &mut self,
        user: UserId,
        password_hash: Option<&PasswordHash>,
    ) -> Result<bool, StoreError>;

    /// Those whom a filter lets through, who came last first, at most `limit`.
    async fn list_users(&mut self, filter: &UserFilter, limit: u32) -> Result<Vec<User>, StoreError>;

    /// Whether a user still has a password, which they keep until the unit of work ends: who sets another waits for it.
    async fn lock_password(&mut self, user: UserId, password_hash: &PasswordHash)
    -> Result<bool, StoreError>;

    /// How many users there are.
    async fn count_users(&mut self) -> Result<u64, StoreError>;

    /// The admins who are not disabled. Until the unit of work ends, no other changes who they are: of two who demote
    /// each other at once, one finds that nobody else is left.
    async fn lock_admins(&mut self) -> Result<Vec<UserId>, StoreError>;

    /// Gives a user another role. Gives the user as they are then.
    async fn set_role(
        &mut self,
        user: UserId,
        role: &Role,
        now: OffsetDateTime,
    ) -> Result<Option<User>, StoreError>;

    /// Disables a user or lets them in again. Gives the user as they are then.
    async fn set_disabled(
        &mut self,
        user: UserId,
        is_disabled: bool,
        now: OffsetDateTime,
    ) -> Result<Option<User>, StoreError>;
}
