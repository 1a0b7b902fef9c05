use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use crate::models::{Bucket, BucketLevel, Quota, TooManyAttempts};

/// So many are remembered, of about 150 bytes each. Those that find no room are asked of the store each time.
const MOST: usize = 16_384;

/// Which quotas are used up, and until when: nothing can be taken from them before that, so who comes back too early, as all of
/// a flood do, costs no statement.
///
/// Only a hint of this server's. Whether something can be taken is for the store to say; what a right password gave back at another
/// server is seen here when the time has come that was told.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<String, (OffsetDateTime, Quota)>>);

impl Refusals {
    /// Refuses where one of the buckets is known to be empty, by the one that opens last.
    pub(crate) fn stand(&self, buckets: &[Bucket], now: OffsetDateTime) -> Result<(), TooManyAttempts> {
        let known = self.known();
        let refusals = buckets.iter().filter_map(|bucket| {
            let (opens_at, quota) = known.get(&bucket.key)?;
            TooManyAttempts::until(*opens_at, *quota, now)
        });
        refusals.max_by_key(|refusal| refusal.retry_after).map_or(Ok(()), Err)
    }

    /// Remembers those that are empty.
    pub(crate) fn remember(&self, levels: &[BucketLevel], now: OffsetDateTime) {
        let mut known = self.known();
        for level in levels.iter().filter(|level| level.opens_at() > now) {
            if known.len() >= MOST {
                known.retain(|_, (opens_at, _)| *opens_at > now);
                // Else each that comes would look through all of them again.
                if known.len() > MOST / 2 {
                    known.clear();
                }
            }
            known.insert(level.bucket.key.clone(), (level.opens_at(), level.bucket.quota));
        }
    }

    /// Something was given back: the store is asked again.
    pub(crate) fn forget(&self, buckets: &[Bucket]) {
        let mut known = self.known();
        for bucket in buckets {
            known.remove(&bucket.key);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, (OffsetDateTime, Quota)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-05-01 12:00 UTC);
    const QUOTA: Quota = Quota::new(2, Duration::minutes(1));

    fn bucket(key: &str) -> Bucket {
        Bucket { key: key.to_owned(), quota: QUOTA }
    }

    fn empty(key: &str, ahead: Duration) -> BucketLevel {
        BucketLevel { bucket: bucket(key), full_at: NOW + ahead }
    }

    #[test]
    fn a_refusal_stands_until_there_is_one_more() {
        let refusals = Refusals::default();
        refusals.remember(&[empty("a", Duration::minutes(2)), empty("b", Duration::seconds(90))], NOW);
        let told = |keys: &[&str], later: i64| {
            let buckets: Vec<Bucket> = keys.iter().map(|key| bucket(key)).collect();
            refusals.stand(&buckets, NOW + Duration::seconds(later)).map_err(|refusal| refusal.retry_after)
        };
        assert_eq!(told(&["a", "b"], 0), Err(Duration::minutes(1)), "the one that opens last");
        assert_eq!(told(&["b"], 29), Err(Duration::SECOND));
        assert_eq!(told(&["b"], 30), Ok(()));
        assert_eq!(told(&["c"], 0), Ok(()));
    }

    #[test]
    fn what_holds_something_is_not_remembered() {
        let refusals = Refusals::default();
        refusals.remember(&[empty("a", Duration::minutes(1))], NOW);
        assert!(refusals.known().is_empty());
    }

    #[test]
    fn what_was_given_back_is_asked_for_again() {
        let refusals = Refusals::default();
        refusals.remember(&[empty("a", Duration::minutes(2))], NOW);
        refusals.forget(&[bucket("a")]);
        assert_eq!(refusals.stand(&[bucket("a")], NOW), Ok(()));
    }

    #[test]
    fn many_networks_do_not_make_it_grow() {
        let refusals = Refusals::default();
        for key in 0..3 * MOST {
            refusals.remember(&[empty(&key.to_string(), Duration::minutes(2))], NOW);
            assert!(refusals.known().len() <= MOST);
        }
        assert!(refusals.stand(&[bucket(&(3 * MOST - 1).to_string())], NOW).is_err());
    }
}
