use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

use crate::Accounts;
use crate::models::{Session, SessionIdHash};
use crate::repository::{MOST_SEEN_AT_ONCE, StoreError};

/// When a session was last seen is told to the minute: a write at every request would cost more than all the rest of it.
const TO_THE: Duration = Duration::MINUTE;
/// So many wait to be written. Those that find no room are written at a later request.
const MOST: usize = 100_000;

/// The sessions that were seen and are to be written down.
#[derive(Default)]
pub(crate) struct SeenSessions(Mutex<HashMap<SessionIdHash, OffsetDateTime>>);

impl SeenSessions {
    fn note(&self, session: &Session, now: OffsetDateTime) {
        if now - session.last_seen_at < TO_THE {
            return;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < MOST || seen.contains_key(&session.id_hash) {
            seen.insert(session.id_hash, now);
        }
    }

    fn take(&self) -> Vec<(SessionIdHash, OffsetDateTime)> {
        let seen = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        seen.into_iter().collect()
    }

    /// For those that could not be written; what was seen since then is newer.
    fn give_back(&self, seen: &[(SessionIdHash, OffsetDateTime)]) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (session, at) in seen {
            waiting.entry(*session).or_insert(*at);
        }
    }
}

impl Accounts {
    /// Notes that a session was seen, for the next [`write_seen`](Self::write_seen).
    pub(super) fn note_seen(&self, session: &Session, now: OffsetDateTime) {
        self.seen.note(session, now);
    }

    /// Writes down which sessions were seen since this was done last, some with each statement, and counts them. Called once a
    /// minute, it makes the moment at which a session was last seen true to two minutes. What cannot be written waits for the next
    /// time.
    pub async fn write_seen(&self) -> Result<u64, StoreError> {
        let mut seen = self.seen.take();
        // In one order everywhere: two servers that write the same sessions never wait for each other in a circle.
        seen.sort_unstable_by_key(|(session, _)| *session.as_bytes());
        let mut written = 0;
        for (index, some) in seen.chunks(MOST_SEEN_AT_ONCE).enumerate() {
            let sessions: Vec<SessionIdHash> = some.iter().map(|(session, _)| *session).collect();
            let Some(at) = some.iter().map(|(_, at)| *at).max() else { continue };
            match self.store.alone().note_sessions_seen(&sessions, at).await {
                Ok(count) => written += count,
                Err(error) => {
                    self.seen.give_back(&seen[index * MOST_SEEN_AT_ONCE..]);
                    return Err(error);
                }
            }
        }
        Ok(written)
    }
}
