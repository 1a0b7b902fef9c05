use crate::Accounts;
use crate::models::{EmailAddress, User, UserId};
use crate::repository::{StoreError, UserFilter};

/// One page of a list, and whether another comes after it.
#[derive(Debug, Clone)]
pub struct PageOf<T> {
    /// What stands on it.
    pub items: Vec<T>,
    /// Whether there is more.
    pub has_more: bool,
}

impl<T> PageOf<T> {
    /// The page of a list with nothing on it.
    pub fn empty() -> Self {
        Self { items: Vec::new(), has_more: false }
    }

    /// A page of at most `limit` of what was asked for one more than that.
    pub(super) fn cut(mut items: Vec<T>, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        Self { items, has_more }
    }
}

impl Accounts {
    /// The users whom a filter lets through, who came last first.
    pub async fn list_users(&self, filter: &UserFilter, limit: u32) -> Result<PageOf<User>, StoreError> {
        let users = self.store.alone().list_users(filter, limit.saturating_add(1)).await?;
        Ok(PageOf::cut(users, limit))
    }

    /// A user.
    pub async fn find_user(&self, user: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.store.alone().find_credentials(user).await?.map(|found| found.user))
    }

    /// The user of an address.
    pub async fn find_user_by_email(&self, email: &EmailAddress) -> Result<Option<User>, StoreError> {
        let found = self.store.alone().find_credentials_by_email(email, None).await?;
        Ok(found.map(|found| found.credentials.user))
    }
}
