use std::sync::atomic::{AtomicU64, Ordering};

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
pub(crate) async fn under<F: Future>(id: Uuid, answering: F) -> F::Output {
    CURRENT.scope(id, answering).await
}

/// Ids for requests: UUIDs of version 7, ordered by time. They name, and protect nothing, so chance is asked for once and counted up
/// from there (RFC 9562, 6.2, method 1): asking the system for each takes longer than the lookup of the session.
pub(crate) struct RequestIds {
    /// Of this process, so that no two give the same.
    start: [u8; 2],
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(random: &dyn Random) -> Self {
        Self { start: random.bytes(), next: AtomicU64::new(u64::from_be_bytes(random.bytes())) }
    }

    pub(crate) fn next(&self, now: OffsetDateTime) -> Uuid {
        let milliseconds = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        let mut rest = [0; 10];
        rest[..2].copy_from_slice(&self.start);
        rest[2..].copy_from_slice(&self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &rest).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ::vestibule::ports::OsRandom;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn no_two_requests_have_the_same_id_not_even_of_two_servers_within_a_millisecond() {
        let now = datetime!(2026-05-01 12:00 UTC);
        let servers = [RequestIds::new(&OsRandom), RequestIds::new(&OsRandom)];
        let ids: HashSet<Uuid> = (0..10_000).map(|number| servers[number % 2].next(now)).collect();
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
