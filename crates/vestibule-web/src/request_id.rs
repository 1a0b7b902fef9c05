use std::sync::{Arc, Mutex, PoisonError};

use ::vestibule::ports::Random;
use time::OffsetDateTime;
use uuid::Uuid;

tokio::task_local! {
    static CURRENT: Uuid;
}

/// The id of the request that is being answered here, for lines of the log; none outside of one, and none in a task of its own.
pub fn request_id() -> Option<Uuid> {
    CURRENT.try_with(|id| *id).ok()
}

/// Answers a request under its id.
pub(crate) fn under<F: Future>(id: Uuid, answering: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, answering)
}

/// So many ids are drawn at once.
const DRAWN_AT_ONCE: usize = 256;
/// The random part of an id (RFC 9562, 5.7).
const ID_BYTES: usize = 10;

/// Ids for requests: UUIDs of version 7, ordered by time. Chance for many is drawn at once: asking the system for each takes longer than
/// the lookup of the session. They are not counted up, for two ids would tell how many requests came between them.
pub(crate) struct RequestIds {
    random: Arc<dyn Random>,
    drawn: Mutex<Drawn>,
}

struct Drawn {
    bytes: [u8; DRAWN_AT_ONCE * ID_BYTES],
    left: usize,
}

impl RequestIds {
    pub(crate) fn new(random: Arc<dyn Random>) -> Self {
        Self { random, drawn: Mutex::new(Drawn { bytes: [0; DRAWN_AT_ONCE * ID_BYTES], left: 0 }) }
    }

    pub(crate) fn next(&self, now: OffsetDateTime) -> Uuid {
        let milliseconds = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.left == 0 {
            self.random.fill(&mut drawn.bytes);
            drawn.left = DRAWN_AT_ONCE;
        }
        drawn.left -= 1;
        let mut chance = [0; ID_BYTES];
        chance.copy_from_slice(&drawn.bytes[drawn.left * ID_BYTES..][..ID_BYTES]);
        drop(drawn);
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &chance).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ::vestibule::ports::OsRandom;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn no_two_requests_have_the_same_id_not_even_within_a_millisecond() {
        let now = datetime!(2026-05-01 12:00 UTC);
        let ids = RequestIds::new(Arc::new(OsRandom));
        let ids: HashSet<Uuid> = (0..10_000).map(|_| ids.next(now)).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }

    #[tokio::test]
    async fn the_id_of_a_request_is_known_within_it_alone() {
        let id = Uuid::from_u128(7);
        assert_eq!(request_id(), None);
        under(id, async { assert_eq!(request_id(), Some(id)) }).await;
        assert_eq!(request_id(), None);
    }
}
