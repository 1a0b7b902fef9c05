use async_trait::async_trait;
use time::OffsetDateTime;
use vestibule::models::{ServiceKey, ServiceKeyHash, ServiceKeyId, ServiceName};
use vestibule::repository::{ServiceKeys, StoreError};

use crate::database::{At, Connection, Id};
use crate::store::{BrokenRow, bytes32};

#[async_trait]
impl ServiceKeys for Connection {
    async fn insert_service_key(&mut self, key: &ServiceKey) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO service_keys
                (id, name, scopes, key_hash, created_at, expires_at, last_used_at)
            VALUES
                ($1, $2, $3, $4, $5, $6, $7)";
        self.write(SQL)
            .bind(Id(key.id.as_uuid()))
            .bind(key.name.as_str().to_owned())
            .bind(key.scope_words())
            .bind(key.hash.as_bytes().to_vec())
            .bind(At(key.created_at))
            .bind(key.expires_at.map(At))
            .bind(key.last_used_at.map(At))
            .execute()
            .await?;
        Ok(())
    }

    async fn find_service_key(
        &mut self,
        hash: ServiceKeyHash,
        now: OffsetDateTime,
    ) -> Result<Option<ServiceKey>, StoreError> {
        const SQL: &str = "
            SELECT id, name, scopes, key_hash, created_at, expires_at, last_used_at
            FROM service_keys
            WHERE key_hash = $1 AND (expires_at IS NULL OR expires_at > $2)";
        let row: Option<ServiceKeyRow> =
            self.read(SQL).bind(hash.as_bytes().to_vec()).bind(At(now)).optional().await?;
        Ok(row.map(ServiceKey::try_from).transpose()?)
    }

    async fn note_service_key_used(
        &mut self,
        id: ServiceKeyId,
        now: OffsetDateTime,
        stale: OffsetDateTime,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE service_keys
            SET last_used_at = $2
            WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)";
        self.write(SQL).bind(Id(id.as_uuid())).bind(At(now)).bind(At(stale)).execute().await?;
        Ok(())
    }

    async fn list_service_keys(
        &mut self,
        below: Option<ServiceKeyId>,
        limit: u32,
    ) -> Result<Vec<ServiceKey>, StoreError> {
        const SQL: &str = "
            SELECT id, name, scopes, key_hash, created_at, expires_at, last_used_at
            FROM service_keys
            WHERE $1 IS NULL OR id < $1
            ORDER BY id DESC
            LIMIT $2";
        let below = below.map(|id| Id(id.as_uuid()));
        let rows: Vec<ServiceKeyRow> = self.read(SQL).bind(below).bind(i64::from(limit)).all().await?;
        Ok(rows.into_iter().map(ServiceKey::try_from).collect::<Result<_, _>>()?)
    }

    async fn delete_service_key(&mut self, id: ServiceKeyId) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM service_keys WHERE id = $1";
        Ok(self.write(SQL).bind(Id(id.as_uuid())).execute().await? == 1)
    }
}

#[derive(sqlx::FromRow)]
struct ServiceKeyRow {
    id: Id,
    name: String,
    scopes: String,
    key_hash: Vec<u8>,
    created_at: At,
    expires_at: Option<At>,
    last_used_at: Option<At>,
}

impl TryFrom<ServiceKeyRow> for ServiceKey {
    type Error = BrokenRow;

    fn try_from(row: ServiceKeyRow) -> Result<Self, BrokenRow> {
        const TABLE: &str = "service_keys";
        Ok(Self {
            id: ServiceKeyId::from(row.id.0),
            name: ServiceName::parse(&row.name).map_err(|error| BrokenRow::new(TABLE, "name", error))?,
            // What a later release added to the scopes is nothing that this one could allow.
            scopes: row.scopes.split(' ').filter_map(|word| word.parse().ok()).collect(),
            hash: bytes32(TABLE, "key_hash", &row.key_hash)?.into(),
            created_at: row.created_at.0,
            expires_at: row.expires_at.map(|at| at.0),
            last_used_at: row.last_used_at.map(|at| at.0),
        })
    }
}
