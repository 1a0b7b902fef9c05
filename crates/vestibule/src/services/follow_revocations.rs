use time::Duration;

use crate::Accounts;
use crate::models::{RevocationCursorError, RevocationPage};
use crate::repository::StoreError;

/// How many are told in one answer.
const PAGE: u32 = 1_000;

/// How far the clocks of servers, of the database and of programs that verify tokens may be apart.
const CLOCKS_DIFFER: Duration = Duration::minutes(2);

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

    /// How long after its moment a revocation matters: the life of the tokens in force. A setting that was lowered since has not
    /// shortened those that are out.
    pub fn revocations_kept_for(&self) -> Duration {
        self.live_keys.ring().longest_token_life().max(self.policy.access_ttl) + CLOCKS_DIFFER
    }
}
