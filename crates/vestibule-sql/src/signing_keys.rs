use async_trait::async_trait;
use time::Duration;
use vestibule::models::SealedSigningKey;
use vestibule::repository::{Inserted, SigningKeys, StoreError};

use crate::database::{At, Connection};

#[async_trait]
impl SigningKeys for Connection {
    async fn insert_signing_key(&mut self, key: &SealedSigningKey) -> Result<Inserted, StoreError> {
        const SQL: &str = "
            INSERT INTO signing_keys
                (kid, generation, public_key, sealed_private_key, created_at, activates_at, token_ttl)
            VALUES
                ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (generation) DO NOTHING";
        let inserted = self
            .write(SQL)
            .bind(key.kid.clone())
            .bind(key.generation)
            .bind(key.public_key.clone())
            .bind(key.sealed_private_key.clone())
            .bind(At(key.created_at))
            .bind(At(key.activates_at))
            .bind(key.token_ttl.whole_seconds())
            .execute()
            .await?;
        Ok(if inserted == 0 { Inserted::AlreadyThere } else { Inserted::New })
    }

    async fn list_signing_keys(&mut self) -> Result<Vec<SealedSigningKey>, StoreError> {
        const SQL: &str = "
            SELECT kid, generation, public_key, sealed_private_key, created_at, activates_at, token_ttl
            FROM signing_keys
            ORDER BY generation";
        let rows: Vec<SigningKeyRow> = self.read(SQL).all().await?;
        Ok(rows.into_iter().map(SealedSigningKey::from).collect())
    }

    async fn raise_token_ttl(&mut self, from_generation: i64, ttl: Duration) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE signing_keys SET token_ttl = $2 WHERE generation >= $1 AND token_ttl < $2";
        self.write(SQL).bind(from_generation).bind(ttl.whole_seconds()).execute().await?;
        Ok(())
    }

    async fn replace_sealed_signing_key(
        &mut self,
        before: &SealedSigningKey,
        after: &SealedSigningKey,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE signing_keys
            SET sealed_private_key = $3
            WHERE kid = $1 AND sealed_private_key = $2";
        let replaced = self
            .write(SQL)
            .bind(before.kid.clone())
            .bind(before.sealed_private_key.clone())
            .bind(after.sealed_private_key.clone())
            .execute()
            .await?;
        Ok(replaced == 1)
    }

    async fn delete_signing_keys_before(&mut self, generation: i64) -> Result<u64, StoreError> {
        const SQL: &str = "DELETE FROM signing_keys WHERE generation < $1";
        self.write(SQL).bind(generation).execute().await
    }
}

#[derive(sqlx::FromRow)]
struct SigningKeyRow {
    kid: String,
    generation: i64,
    public_key: Vec<u8>,
    sealed_private_key: Vec<u8>,
    created_at: At,
    activates_at: Option<At>,
    token_ttl: i64,
}

impl From<SigningKeyRow> for SealedSigningKey {
    fn from(row: SigningKeyRow) -> Self {
        Self {
            kid: row.kid,
            generation: row.generation,
            public_key: row.public_key,
            sealed_private_key: row.sealed_private_key,
            created_at: row.created_at.0,
            activates_at: row.activates_at.unwrap_or(row.created_at).0,
            token_ttl: Duration::seconds(row.token_ttl),
        }
    }
}
