use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures_channel::oneshot;
use time::{Duration, OffsetDateTime};

use crate::models::KeyRing;

/// Who makes up tokens with names of keys that nobody has must not make the server read its keys again and again.
const BETWEEN_QUESTIONS: Duration = Duration::seconds(5);

/// The keys as they were last read. Another server, or an operator, may have changed them since.
pub(crate) struct LiveKeys {
    ring: RwLock<Arc<KeyRing>>,
    questions: Mutex<Questions>,
}

#[derive(Default)]
struct Questions {
    last: Option<OffsetDateTime>,
    /// Those who wait for the answer of the one who asks now.
    waiting: Option<Vec<oneshot::Sender<()>>>,
}

/// What somebody does who was shown a token of a key that is not here.
pub(crate) enum Turn<'a> {
    /// Read the keys, and drop this when that is done.
    Ask(Asking<'a>),
    /// Wait: another request reads them at this moment.
    Wait(oneshot::Receiver<()>),
    /// They were read just now, so the key is none of ours.
    NotAgain,
}

/// Dropped, it lets those go on who wait, also where the request that asked was given up.
pub(crate) struct Asking<'a>(&'a LiveKeys);

impl LiveKeys {
    pub(crate) fn new(ring: KeyRing) -> Self {
        Self { ring: RwLock::new(Arc::new(ring)), questions: Mutex::default() }
    }

    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes keys that were read. Says whether one is gone that was here before.
    ///
    /// Keys that lack the newest one of here were read before it was made, and came late: one that was thrown away since would be back.
    pub(crate) fn replace(&self, ring: KeyRing) -> bool {
        let mut here = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        if ring.newest_generation() < here.newest_generation() {
            return false;
        }
        let is_one_gone = here.has_keys_beyond(&ring);
        *here = Arc::new(ring);
        is_one_gone
    }

    /// Of many requests that come with a new key at once, one reads and the others wait for it: none is refused only
    /// because it was not the first.
    pub(crate) fn take_turn(&self, now: OffsetDateTime) -> Turn<'_> {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = &mut questions.waiting {
            let (done, told) = oneshot::channel();
            waiting.push(done);
            return Turn::Wait(told);
        }
        // The distance both ways: a clock that was set back must not end the asking for long.
        if questions.last.is_some_and(|last| (now - last).abs() < BETWEEN_QUESTIONS) {
            return Turn::NotAgain;
        }
        questions.last = Some(now);
        questions.waiting = Some(Vec::new());
        Turn::Ask(Asking(self))
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        // The waiting go on as their senders are dropped.
        self.0.questions.lock().unwrap_or_else(PoisonError::into_inner).waiting = None;
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::models::{SecretKey, SigningKey};
    use crate::ports::OsRandom;

    const NOON: OffsetDateTime = datetime!(2026-05-01 12:00 UTC);

    fn live_keys() -> LiveKeys {
        let keys = SecretKey::generate(&OsRandom).derive();
        let sealed = SigningKey::generate(1, NOON, &OsRandom).seal(&keys, &OsRandom);
        LiveKeys::new(KeyRing::open(&[sealed], &keys, "https://example.com".into()).unwrap())
    }

    #[test]
    fn keys_that_were_read_before_a_newer_one_was_made_come_too_late() {
        let keys = SecretKey::generate(&OsRandom).derive();
        let ring = |generations: &[i64]| {
            let sealed = generations
                .iter()
                .map(|&generation| SigningKey::generate(generation, NOON, &OsRandom).seal(&keys, &OsRandom));
            KeyRing::open(&sealed.collect::<Vec<_>>(), &keys, "https://example.com".into()).unwrap()
        };
        let live = LiveKeys::new(ring(&[1]));
        assert!(live.replace(ring(&[2])), "the first is gone");
        assert!(!live.replace(ring(&[1])));
        assert_eq!(live.ring().newest_generation(), 2);
    }

    #[test]
    fn one_asks_the_others_wait_and_then_nobody_asks_for_five_seconds() {
        let live = live_keys();
        let Turn::Ask(asking) = live.take_turn(NOON) else { panic!("the first asks") };
        let Turn::Wait(mut told) = live.take_turn(NOON) else { panic!("the second waits") };
        assert_eq!(told.try_recv(), Ok(None), "still");
        drop(asking);
        assert!(told.try_recv().is_err(), "and goes on when the first is done, or gone");
        assert!(matches!(live.take_turn(NOON + Duration::seconds(4)), Turn::NotAgain));
        assert!(matches!(live.take_turn(NOON + Duration::seconds(5)), Turn::Ask(_)));
        assert!(
            matches!(live.take_turn(NOON - Duration::hours(1)), Turn::Ask(_)),
            "a clock that was set back"
        );
    }
}
