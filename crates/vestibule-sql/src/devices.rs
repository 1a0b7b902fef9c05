use async_trait::async_trait;
use time::OffsetDateTime;
use vestibule::models::{DeviceHash, KnownDevice, UserId};
use vestibule::repository::{Devices, StoreError};

use crate::database::{At, Connection, Id};
use crate::store::{BrokenRow, bytes32};

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

    async fn list_devices(
        &mut self,
        user: UserId,
        after: Option<DeviceHash>,
        limit: u32,
    ) -> Result<Vec<KnownDevice>, StoreError> {
        const SQL: &str = "
            SELECT device_hash, created_at, last_seen_at
            FROM devices
            WHERE user_id = $1 AND ($2 IS NULL OR device_hash > $2)
            ORDER BY device_hash
            LIMIT $3";
        let rows: Vec<KnownDeviceRow> = self
            .read(SQL)
            .bind(Id(user.as_uuid()))
            .bind(after.map(|hash| hash.as_bytes().to_vec()))
            .bind(i64::from(limit))
            .all()
            .await?;
        Ok(rows.into_iter().map(KnownDevice::try_from).collect::<Result<_, _>>()?)
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

#[derive(sqlx::FromRow)]
struct KnownDeviceRow {
    device_hash: Vec<u8>,
    created_at: At,
    last_seen_at: At,
}

impl TryFrom<KnownDeviceRow> for KnownDevice {
    type Error = BrokenRow;

    fn try_from(row: KnownDeviceRow) -> Result<Self, BrokenRow> {
        Ok(Self {
            hash: bytes32("devices", "device_hash", &row.device_hash)?.into(),
            created_at: row.created_at.0,
            last_seen_at: row.last_seen_at.0,
        })
    }
}
