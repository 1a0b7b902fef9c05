use async_trait::async_trait;
use vestibule::models::SealedSigningKey;
use vestibule::repository::{Inserted, SigningKeys, StoreError};

use crate::database::{At, Connection};

#[async_trait]
impl SigningKeys for Connection {
    async fn insert_signing_key(&mut self, key: &SealedSigningKey) -> Result<Inserted, StoreError> {
        const SQL: &str = "
            INSERT INTO signing_keys
                (kid, generation, public_key, sealed_private_key, created_at)
            VALUES
                ($1, $2, $3, $4, $5)
            ON CONFLICT (generation) DO NOTHING";
        let inserted = self
            .write(SQL)
            .bind(key.kid.clone())
            .bind(key.generation)
            .bind(key.public_key.clone())
            .bind(key.sealed_private_key.clone())
            .bind(At(key.created_at))
            .execute()
            .await?;
        Ok(if inserted == 0 { Inserted::AlreadyThere } else { Inserted::New })
    }

    async fn list_signing_keys(&mut self) -> Result<Vec<SealedSigningKey>, StoreError> {
        const SQL: &str = "
            SELECT kid, generation, public_key, sealed_private_key, created_at
            FROM signing_keys
            ORDER BY generation";
        let rows: Vec<SigningKeyRow> = self.read(SQL).all().await?;
        Ok(rows.into_iter().map(SealedSigningKey::from).collect())
    }
}

#[derive(sqlx::FromRow)]
struct SigningKeyRow {
    kid: String,
    generation: i64,
    public_key: Vec<u8>,
    sealed_private_key: Vec<u8>,
    created_at: At,
}

impl From<SigningKeyRow> for SealedSigningKey {
    fn from(row: SigningKeyRow) -> Self {
        Self {
            kid: row.kid,
            generation: row.generation,
            public_key: row.public_key,
            sealed_private_key: row.sealed_private_key,
            created_at: row.created_at.0,
        }
    }
}
