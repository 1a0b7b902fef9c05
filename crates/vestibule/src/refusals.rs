use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use crate::models::{Bucket, BucketLevel, Quota, TooManyAttempts};

/// So many are remembered, of about 200 bytes each. Those that find no room are asked of the store each time.
const MOST: usize = 16_384;

/// Which quotas are used up, and until when: nothing can be taken from them before that, so who comes back too early, as all of
/// a flood do, costs no statement.
///
/// Only a hint of this server's. Whether something can be taken is for the store to say; what a right password gave back at another
/// server is seen here when the time has come that was told.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<Known>);

#[derive(Default)]
struct Known {
    refused: HashMap<String, (OffsetDateTime, Quota)>,
    /// How often something was given back.
    given_back: u64,
}

/// When the store was asked: before or after something was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked(u64);

impl Refusals {
    /// Refuses where one of the buckets is known to be empty, by the one that opens last.
    pub(crate) fn stand(&self, buckets: &[Bucket], now: OffsetDateTime) -> Result<(), TooManyAttempts> {
        let known = self.known();
        let refusals = buckets.iter().filter_map(|bucket| {
            let (opens_at, quota) = known.refused.get(&bucket.key)?;
            TooManyAttempts::until(*opens_at, *quota, now)
        });
        refusals.max_by_key(|refusal| refusal.retry_after).map_or(Ok(()), Err)
    }

    /// To be called before the store is asked what is left.
    pub(crate) fn ask(&self) -> Asked {
        Asked(self.known().given_back)
    }

    /// Remembers those that are empty; nothing where something was given back since the store was asked, for that may not be in
    /// its answer.
    pub(crate) fn remember(&self, levels: &[BucketLevel], asked: Asked, now: OffsetDateTime) {
        let mut known = self.known();
        if asked.0 != known.given_back {
            return;
        }
        let known = &mut known.refused;
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
        known.given_back = known.given_back.wrapping_add(1);
        for bucket in buckets {
            known.refused.remove(&bucket.key);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
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
        refusals.remember(
            &[empty("a", Duration::minutes(2)), empty("b", Duration::seconds(90))],
            refusals.ask(),
            NOW,
        );
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
        refusals.remember(&[empty("a", Duration::minutes(1))], refusals.ask(), NOW);
        assert!(refusals.known().refused.is_empty());
    }

    #[test]
    fn what_was_given_back_is_asked_for_again() {
        let refusals = Refusals::default();
        refusals.remember(&[empty("a", Duration::minutes(2))], refusals.ask(), NOW);
        let asked = refusals.ask();
        refusals.forget(&[bucket("a")]);
        assert_eq!(refusals.stand(&[bucket("a")], NOW), Ok(()));
        refusals.remember(&[empty("a", Duration::minutes(2))], asked, NOW);
        assert_eq!(
            refusals.stand(&[bucket("a")], NOW),
            Ok(()),
            "the store said that before something was given back"
        );
    }

    #[test]
    fn many_networks_do_not_make_it_grow() {
        let refusals = Refusals::default();
        for key in 0..3 * MOST {
            refusals.remember(&[empty(&key.to_string(), Duration::minutes(2))], refusals.ask(), NOW);
            assert!(refusals.known().refused.len() <= MOST);
        }
        assert!(refusals.stand(&[bucket(&(3 * MOST - 1).to_string())], NOW).is_err());
    }
}
