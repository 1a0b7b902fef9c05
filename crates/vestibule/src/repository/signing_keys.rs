use async_trait::async_trait;

use super::{Inserted, StoreError};
use crate::models::SealedSigningKey;

/// The keys that sign access tokens.
#[async_trait]
pub trait SigningKeys {
    /// Adds a key, unless there is one of that generation: of several servers that start at once, one makes it.
    async fn insert_signing_key(&mut self, key: &SealedSigningKey) -> Result<Inserted, StoreError>;

    /// All keys, oldest generation first.
    async fn list_signing_keys(&mut self) -> Result<Vec<SealedSigningKey>, StoreError>;
}
