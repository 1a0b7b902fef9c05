use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// From the first byte of a request to the end of its headers, and from the opening of a connection to the end of its
/// first request's. Slower is an attack (Slowloris): it costs a stranger nothing to send a byte every minute.
const FOR_HEADERS: Duration = Duration::from_secs(10);
/// Between two requests. Longer than a proxy keeps a connection that it does not use (60 s in nginx), so that it never
/// sends one into a connection that is being closed here.
const FOR_NEXT_REQUEST: Duration = Duration::from_secs(75);

/// How long a connection is waited for. Cheap to clone.
#[derive(Clone)]
pub(super) struct Patience(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: Notify,
    crowd: watch::Receiver<bool>,
}

struct State {
    waiting: Waiting,
    since: Instant,
    /// Requests under way.
    works: usize,
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
}

impl Waiting {
    /// Whether the connection is ended as HTTP has it. Who is just not done yet with a request gets nothing.
    pub(super) fn deserves_a_farewell(self) -> bool {
        self == Self::Next
    }
}

/// A request under way, until it is dropped.
pub(super) struct Work(Patience);

impl Patience {
    /// A connection was just opened. `crowd` says whether others wait for a place.
    pub(super) fn begin(crowd: watch::Receiver<bool>) -> Self {
        let state = State { waiting: Waiting::First, since: Instant::now(), works: 0, is_writing: false };
        Self(Arc::new(Inner { state: Mutex::new(state), changed: Notify::new(), crowd }))
    }

    /// Something came in: where none was under way, a request begins.
    pub(super) fn heard(&self) {
        let mut state = self.state();
        if state.works == 0 && state.waiting == Waiting::Next {
            state.waiting = Waiting::Headers;
            state.since = Instant::now();
            self.0.changed.notify_one();
        }
    }

    /// Some of an answer goes out, or all of it is out. Who takes it slowly is not idle.
    pub(super) fn writing(&self, is_writing: bool) {
        let mut state = self.state();
        if state.is_writing != is_writing {
            state.is_writing = is_writing;
            if state.waiting == Waiting::Next {
                state.since = Instant::now();
            }
            self.0.changed.notify_one();
        }
    }

    /// The headers of a request are there.
    pub(super) fn work(&self) -> Work {
        self.state().works += 1;
        self.0.changed.notify_one();
        Work(self.clone())
    }

    /// Waits until it was waited long enough, and says for what.
    pub(super) async fn over(&self) -> Waiting {
        let mut crowd = self.0.crowd.clone();
        loop {
            let is_crowded = *crowd.borrow_and_update();
            let (waiting, until) = self.deadline(is_crowded);
            let too_long = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = too_long => return waiting,
                () = self.0.changed.notified() => {}
                changed = crowd.changed() => if changed.is_err() {
                    // The door is closed: what is here ends by itself or is ended.
                    std::future::pending::<()>().await;
                },
            }
        }
    }

    fn deadline(&self, is_crowded: bool) -> (Waiting, Option<Instant>) {
        let state = self.state();
        let patience = match state.waiting {
            Waiting::First | Waiting::Headers => FOR_HEADERS,
            Waiting::Next if is_crowded => Duration::ZERO,
            Waiting::Next => FOR_NEXT_REQUEST,
        };
        let is_busy = state.works > 0 || state.is_writing && state.waiting == Waiting::Next;
        (state.waiting, (!is_busy).then(|| state.since + patience))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.works -= 1;
        if state.works == 0 {
            state.waiting = Waiting::Next;
            state.since = Instant::now();
            self.0.0.changed.notify_one();
        }
    }
}
