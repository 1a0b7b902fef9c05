use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::http2::FOR_TAKING;

/// From the first byte of a request to the end of its headers, and from the opening of a connection to the end of its
/// first request's. Slower is an attack (Slowloris): it costs a stranger nothing to send a byte every minute.
const FOR_HEADERS: Duration = Duration::from_secs(10);
/// Between two requests. Longer than a proxy keeps a connection that it does not use (60 s in nginx), so that it never
/// sends one into a connection that is being closed here.
const FOR_NEXT_REQUEST: Duration = Duration::from_secs(75);
/// The shortest that anything is waited for, but in a crowd.
const SHORTEST: Duration = FOR_HEADERS;

/// How long a connection is waited for. Cheap to clone.
#[derive(Clone)]
pub(super) struct Patience(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    is_idle_in_a_crowd: Notify,
    crowd: watch::Receiver<bool>,
}

struct State {
    waiting: Waiting,
    since: Instant,
    /// Requests under way.
    works: usize,
    /// Whether several requests may be under way. Then what comes in between may be anything, a ping above all, and what goes
    /// out may be the answer to one: neither makes anybody wait longer.
    expects_many: bool,
    /// What of answers nobody has taken yet, and since when, where several are under way.
    owed: BTreeMap<u64, Instant>,
    next_work: u64,
    /// Whether an answer is not yet out: it was handed over, and the other side takes it slowly.
    is_writing: bool,
}

/// What is waited for while no request is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The first request.
    First,
    /// The rest of a request's headers.
    Headers,
    /// Another request.
    Next,
    /// That an answer is taken.
    Taking,
}

impl Waiting {
    /// Whether the connection is ended as HTTP has it. Who is just not done yet with a request gets nothing.
    pub(super) fn deserves_a_farewell(self) -> bool {
        self == Self::Next
    }
}

/// A request under way, until it is dropped.
pub(super) struct Work {
    patience: Patience,
    number: u64,
}

impl Patience {
    /// A connection was just opened. `crowd` says whether others wait for a place.
    pub(super) fn begin(crowd: watch::Receiver<bool>) -> Self {
        let state = State {
            waiting: Waiting::First,
            since: Instant::now(),
            works: 0,
            expects_many: false,
            owed: BTreeMap::new(),
            next_work: 0,
            is_writing: false,
        };
        Self(Arc::new(Inner { state: Mutex::new(state), is_idle_in_a_crowd: Notify::new(), crowd }))
    }

    /// Several requests may be under way on this connection.
    pub(super) fn expect_many(&self) {
        self.state().expects_many = true;
    }

    /// Something came in: where none was under way, a request begins.
    pub(super) fn heard(&self) {
        let mut state = self.state();
        if state.works == 0 && state.waiting == Waiting::Next && !state.expects_many {
            state.waiting = Waiting::Headers;
            state.since = Instant::now();
        }
    }

    /// Some of an answer goes out, or all of it is out. Who takes it slowly is not idle.
    pub(super) fn writing(&self, is_writing: bool) {
        let mut state = self.state();
        if state.is_writing == is_writing || state.expects_many {
            return;
        }
        state.is_writing = is_writing;
        if state.waiting == Waiting::Next {
            state.since = Instant::now();
        }
        drop(state);
        if !is_writing {
            self.tell_if_crowded();
        }
    }

    /// The headers of a request are there.
    pub(super) fn work(&self) -> Work {
        let number = {
            let mut state = self.state();
            state.works += 1;
            state.next_work += 1;
            state.next_work
        };
        Work { patience: self.clone(), number }
    }

    /// Waits until it was waited long enough, and says for what.
    ///
    /// Nobody tells when the moment moves, which it does several times with each request: whoever waits looks again by themselves,
    /// as often as the shortest patience is long. So no moment that comes up meanwhile is missed.
    pub(super) async fn over(&self) -> Waiting {
        let mut crowd = self.0.crowd.clone();
        let mut alarm = pin!(sleep(Duration::ZERO));
        loop {
            let is_crowded = *crowd.borrow_and_update();
            let (waiting, until) = self.deadline(is_crowded);
            let now = Instant::now();
            match until {
                Some(until) if until <= now => return waiting,
                until => {
                    alarm.as_mut().reset(until.map_or(now + SHORTEST, |until| until.min(now + SHORTEST)));
                }
            }
            tokio::select! {
                () = alarm.as_mut() => {}
                () = self.0.is_idle_in_a_crowd.notified() => {}
                changed = crowd.changed() => if changed.is_err() {
                    // The door is closed: what is here ends by itself or is ended.
                    std::future::pending::<()>().await;
                },
            }
        }
    }

    /// Whether it was waited long enough at this moment.
    pub(super) fn is_over(&self) -> bool {
        let (_, until) = self.deadline(*self.0.crowd.borrow());
        until.is_some_and(|until| until <= Instant::now())
    }

    /// In a crowd nobody waits for who is idle.
    fn tell_if_crowded(&self) {
        if *self.0.crowd.borrow() {
            self.0.is_idle_in_a_crowd.notify_one();
        }
    }

    fn deadline(&self, is_crowded: bool) -> (Waiting, Option<Instant>) {
        let state = self.state();
        if let Some(since) = state.owed.values().min() {
            return (Waiting::Taking, Some(*since + FOR_TAKING));
        }
        let patience = match state.waiting {
            Waiting::First | Waiting::Headers => FOR_HEADERS,
            Waiting::Next if is_crowded => Duration::ZERO,
            Waiting::Next | Waiting::Taking => FOR_NEXT_REQUEST,
        };
        let is_busy = state.works > 0 || state.is_writing && state.waiting == Waiting::Next;
        (state.waiting, (!is_busy).then(|| state.since + patience))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    /// Some of the answer is there, and the other side is to take it. Where one request is under way at a time the connection
    /// itself tells whether anything goes out.
    pub(super) fn owes(&self) {
        let mut state = self.patience.state();
        if state.expects_many {
            state.owed.insert(self.number, Instant::now());
        }
    }

    /// What was there is taken, and more is being made.
    pub(super) fn is_even(&self) {
        self.patience.state().owed.remove(&self.number);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut state = self.patience.state();
        state.owed.remove(&self.number);
        state.works -= 1;
        if state.works == 0 {
            state.waiting = Waiting::Next;
            state.since = Instant::now();
        }
        drop(state);
        self.patience.tell_if_crowded();
    }
}
