use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::models::{Bucket, BucketLevel};

/// What is left of quotas. All servers share it and it outlasts their restarts.
#[async_trait]
pub trait RateLimits {
    /// Takes one from each bucket, in one statement: as many attempts pass as the smallest quota holds, however many race.
    /// `false` where one of them is empty; unless attempts raced, nothing is taken from the others then. At most three.
    async fn take_from_buckets(
        &mut self,
        buckets: &[Bucket],
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Gives back what an attempt took.
    async fn give_back_to_buckets(
        &mut self,
        buckets: &[Bucket],
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// What buckets hold. Those that are full are left out.
    async fn list_bucket_levels(&mut self, buckets: &[Bucket]) -> Result<Vec<BucketLevel>, StoreError>;

    /// Forgets buckets that are full again, at most `limit`, and counts them.
    async fn delete_full_buckets(&mut self, now: OffsetDateTime, limit: u32) -> Result<u64, StoreError>;
}
