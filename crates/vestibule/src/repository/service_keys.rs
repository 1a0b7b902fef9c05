use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::models::{ServiceKey, ServiceKeyHash, ServiceKeyId};

/// Keys by which programs beside the site are let in.
#[async_trait]
pub trait ServiceKeys {
    /// Adds one.
    async fn insert_service_key(&mut self, key: &ServiceKey) -> Result<(), StoreError>;

    /// One whose time is not over.
    async fn find_service_key(
        &mut self,
        hash: ServiceKeyHash,
        now: OffsetDateTime,
    ) -> Result<Option<ServiceKey>, StoreError>;

    /// Notes that one was used, unless that was noted after `stale`: of many at once, one writes.
    async fn note_service_key_used(
        &mut self,
        id: ServiceKeyId,
        now: OffsetDateTime,
        stale: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// All of them, over or not, newest first, at most `limit`, and only those made before one where it is named.
    async fn list_service_keys(
        &mut self,
        below: Option<ServiceKeyId>,
        limit: u32,
    ) -> Result<Vec<ServiceKey>, StoreError>;

    /// Removes one. `false` where it was gone.
    async fn delete_service_key(&mut self, id: ServiceKeyId) -> Result<bool, StoreError>;
}
