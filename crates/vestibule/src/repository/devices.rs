use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::models::{DeviceHash, KnownDevice, UserId};

/// The browsers that each account was used with.
#[async_trait]
pub trait Devices {
    /// Notes that a user has logged in with a browser.
    async fn note_device(
        &mut self,
        user: UserId,
        device: DeviceHash,
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// The browsers of a user in an order of their own, at most `limit`. `after` is the last one of the page before.
    async fn list_devices(
        &mut self,
        user: UserId,
        after: Option<DeviceHash>,
        limit: u32,
    ) -> Result<Vec<KnownDevice>, StoreError>;

    /// Forgets all browsers of a user.
    async fn forget_devices(&mut self, user: UserId) -> Result<(), StoreError>;

    /// Forgets browsers that were not used since a moment, at most `limit`, and counts them.
    async fn delete_old_devices(
        &mut self,
        unused_since: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
