use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::models::{RevocationCursor, RevocationPage};

/// Which sessions ended or changed lately. The store writes them down by itself, in the transaction that ends or changes them.
#[async_trait]
pub trait Revocations {
    /// What was revoked since a cursor, or all that is kept: at most `limit`.
    async fn list_revocations(
        &mut self,
        since: Option<&RevocationCursor>,
        limit: u32,
    ) -> Result<RevocationPage, StoreError>;

    /// Removes those that concern only tokens issued before a moment, at most `limit`, and counts them. The newest one stays.
    async fn delete_old_revocations(
        &mut self,
        issued_before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
