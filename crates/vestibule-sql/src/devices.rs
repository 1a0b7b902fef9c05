use async_trait::async_trait;
use time::OffsetDateTime;
use vestibule::models::{DeviceHash, UserId};
use vestibule::repository::{Devices, StoreError};

use crate::database::{At, Connection, Id};

#[async_trait]
impl Devices for Connection {
    async fn note_device(
        &mut self,
        user: UserId,
        device: DeviceHash,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO devices
                (user_id, device_hash, created_at, last_seen_at)
            VALUES
                ($1, $2, $3, $3)
            ON CONFLICT (user_id, device_hash) DO UPDATE SET last_seen_at = excluded.last_seen_at";
        self.write(SQL)
            .bind(Id(user.as_uuid()))
            .bind(device.as_bytes().to_vec())
            .bind(At(now))
            .execute()
            .await?;
        Ok(())
    }

    async fn forget_devices(&mut self, user: UserId) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM devices WHERE user_id = $1";
        self.write(SQL).bind(Id(user.as_uuid())).execute().await?;
        Ok(())
    }

    async fn delete_old_devices(
        &mut self,
        unused_since: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "
            DELETE FROM devices
            WHERE (user_id, device_hash) IN (
                SELECT user_id, device_hash FROM devices WHERE last_seen_at < $1 LIMIT $2
            )";
        self.write(SQL).bind(At(unused_since)).bind(i64::from(limit)).execute().await
    }
}
