use crate::Accounts;
use crate::models::{RevocationCursorError, RevocationPage};
use crate::repository::StoreError;

/// How many are told in one answer.
const PAGE: u32 = 1_000;

/// Why revocations were not told.
#[derive(Debug, thiserror::Error)]
pub enum FollowRevocationsError {
    /// What was shown is no cursor.
    #[error(transparent)]
    Cursor(#[from] RevocationCursorError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Which sessions ended or changed since a cursor, or lately: what a program must know that verifies access tokens by itself. It
    /// refuses a token of such a session that was issued no later than the moment that is told with it.
    pub async fn follow_revocations(
        &self,
        since: Option<&str>,
    ) -> Result<RevocationPage, FollowRevocationsError> {
        let since = since.map(str::parse).transpose()?;
        Ok(self.store.alone().list_revocations(since.as_ref(), PAGE).await?)
    }
}
