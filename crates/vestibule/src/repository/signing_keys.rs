use async_trait::async_trait;
use time::Duration;

use super::{Inserted, StoreError};
use crate::models::SealedSigningKey;

/// The keys that sign access tokens.
#[async_trait]
pub trait SigningKeys {
    /// Adds a key, unless there is one of that generation: of several servers that start at once, or of two rotations at
    /// the same moment, one makes it.
    async fn insert_signing_key(&mut self, key: &SealedSigningKey) -> Result<Inserted, StoreError>;

    /// All keys, oldest generation first.
    async fn list_signing_keys(&mut self) -> Result<Vec<SealedSigningKey>, StoreError>;

    /// Notes that tokens of this life are signed with the keys of this generation and later ones, where none of a longer
    /// life was noted.
    async fn raise_token_ttl(&mut self, from_generation: i64, ttl: Duration) -> Result<(), StoreError>;

    /// Puts another sealed form in the place of one, unless that was replaced meanwhile.
    async fn replace_sealed_signing_key(
        &mut self,
        before: &SealedSigningKey,
        after: &SealedSigningKey,
    ) -> Result<bool, StoreError>;

    /// Removes all keys before a generation.
    async fn delete_signing_keys_before(&mut self, generation: i64) -> Result<u64, StoreError>;
}
