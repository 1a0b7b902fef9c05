use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::{Overloaded, Standing, Stopwatch};

/// What the average takes of each new measurement: an eighth, so that it follows a machine that grows busy within a dozen
/// hashes and does not jump with one.
const AVERAGE_OVER: u32 = 8;
/// Nobody is sent away for longer than this: those who were told before may not come back.
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// So many of one account stand in the first row: a person has a phone and a desk.
const OF_ONE_IN_THE_FIRST_ROW: usize = 2;
/// So many of the first row are served before a stranger is.
const KNOWN_IN_A_ROW: u32 = 3;
/// A thread with nothing to do for this long gives its memory back to the system.
const IDLE_BEFORE_RELEASE: Duration = Duration::from_secs(10);

/// Work that waits for a thread. How many may wait follows from how long one takes: so many that the last of them is served
/// within the longest wait.
///
/// There are two rows. Whoever is known stands in the first and hardly waits for strangers; strangers wait for both. So a flood from
/// many addresses, each within its limits, fills the row of strangers and no other: the owner of an account still gets in at a
/// browser that the account knows.
///
/// Nor is the first row for one to fill. Of an account a few stand in it, and the rest with the strangers; and after some of the
/// first row, one stranger is served.
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    something_came: Condvar,
    stopwatch: Arc<dyn Stopwatch>,
    max_wait: Duration,
    workers: u32,
}

/// One who waits: for what, since when, and who, if they are known.
struct Waiting<J> {
    job: J,
    came_at: Duration,
    of: Option<Uuid>,
}

struct State<J> {
    known: VecDeque<Waiting<J>>,
    strangers: VecDeque<Waiting<J>>,
    /// How many of the known were served since the last stranger.
    known_in_a_row: u32,
    running: u32,
    average: Duration,
    /// Until when there is work for those who were sent away, if each comes back when they were told.
    promised_until: Duration,
    counts: QueueCounts,
    is_closed: bool,
}

/// What a queue did since the start, and does now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct QueueCounts {
    /// How many wait at this moment.
    pub waiting: u64,
    /// How many are worked on at this moment.
    pub running: u64,
    /// How many were done.
    pub done: u64,
    /// How many were sent away, at the door or because their turn came too late.
    pub refused: u64,
    /// How long the work took that was done.
    pub worked: Duration,
    /// How long it had waited.
    pub waited: Duration,
    /// How long one takes at present.
    pub average: Duration,
}

/// What a thread does next.
pub(super) enum Turn<J> {
    /// This, whose turn it is.
    Work(J),
    /// Refuse this one: it has waited too long. Whoever wanted it has given up, or would wait for an answer that comes late
    /// anyway, and those behind it would wait as long.
    Refuse(J, Overloaded),
    /// Give the memory back: nothing came for long.
    Rest,
    /// End.
    End,
}

impl<J> Queue<J> {
    /// A queue for so many threads. `average` is a guess of how long one takes, until some were measured.
    pub(super) fn new(
        workers: usize,
        max_wait: Duration,
        average: Duration,
        stopwatch: Arc<dyn Stopwatch>,
    ) -> Self {
        let state = State {
            known: VecDeque::new(),
            strangers: VecDeque::new(),
            known_in_a_row: 0,
            running: 0,
            average,
            promised_until: Duration::ZERO,
            counts: QueueCounts::default(),
            is_closed: false,
        };
        let workers = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
        Self { state: Mutex::new(state), something_came: Condvar::new(), stopwatch, max_wait, workers }
    }

    /// Lets a job in, unless it would have to wait too long.
    pub(super) fn admit(&self, job: J, whose: Standing) -> Result<(), Overloaded> {
        let now = self.stopwatch.elapsed();
        let mut state = self.state();
        let of = self.let_in(&mut state, whose, now)?;
        let row = if of.is_some() { &mut state.known } else { &mut state.strangers };
        row.push_back(Waiting { job, came_at: now, of });
        drop(state);
        self.something_came.notify_one();
        Ok(())
    }

    /// Whether a job would be let in now. Who would not be counts as sent away.
    pub(super) fn room(&self, whose: Standing) -> Result<(), Overloaded> {
        let now = self.stopwatch.elapsed();
        self.let_in(&mut self.state(), whose, now).map(|_| ())
    }

    /// By which id whoever comes now stands in the first row; none where they stand with the strangers.
    fn let_in(
        &self,
        state: &mut State<J>,
        whose: Standing,
        now: Duration,
    ) -> Result<Option<Uuid>, Overloaded> {
        let of = state.in_the_first_row(whose);
        if self.expected_wait(state, of) > self.max_wait {
            return Err(self.send_away(state, now));
        }
        Ok(of)
    }

    /// Waits for the next turn.
    pub(super) fn next(&self) -> Turn<J> {
        let mut state = self.state();
        loop {
            if state.is_closed {
                return Turn::End;
            }
            if let Some(Waiting { job, came_at, .. }) = state.pop() {
                let now = self.stopwatch.elapsed();
                let waited = now.saturating_sub(came_at);
                if waited > self.max_wait {
                    let overloaded = self.send_away(&mut state, now);
                    return Turn::Refuse(job, overloaded);
                }
                state.running += 1;
                state.counts.waited += waited;
                return Turn::Work(job);
            }
            let (next, waited) = self
                .something_came
                .wait_timeout(state, IDLE_BEFORE_RELEASE)
                .unwrap_or_else(PoisonError::into_inner);
            state = next;
            if waited.timed_out() && state.waiting() == 0 && !state.is_closed {
                return Turn::Rest;
            }
        }
    }

    /// A job has ended. `took` is none where nothing was done, for nobody wanted it any more.
    pub(super) fn done(&self, took: Option<Duration>) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(1);
        if let Some(took) = took {
            state.counts.done += 1;
            state.counts.worked += took;
            state.average = (state.average * (AVERAGE_OVER - 1) + took) / AVERAGE_OVER;
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.stopwatch.elapsed()
    }

    pub(super) fn counts(&self) -> QueueCounts {
        let state = self.state();
        QueueCounts {
            waiting: state.waiting().into(),
            running: state.running.into(),
            average: state.average,
            ..state.counts
        }
    }

    /// Ends all threads. What waits is dropped.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.something_came.notify_all();
    }

    /// How long one that came now would wait: not at all while a thread is free, else until as many are done as stand before
    /// it and one more.
    fn expected_wait(&self, state: &State<J>, known: Option<Uuid>) -> Duration {
        let waiting = if known.is_some() {
            let before = length(&state.known);
            before.saturating_add((before / KNOWN_IN_A_ROW).min(length(&state.strangers)))
        } else {
            state.waiting()
        };
        if state.running.saturating_add(waiting) < self.workers {
            return Duration::ZERO;
        }
        state.average.saturating_mul(waiting.saturating_add(1)) / self.workers
    }

    /// Each who is sent away is told when there will be room for them, behind all who wait and all who were sent away before:
    /// told the same moment, they would all come back at once and be sent away again.
    fn send_away(&self, state: &mut State<J>, now: Duration) -> Overloaded {
        let one_more = state.average / self.workers;
        let behind_all = state.promised_until.max(now + self.expected_wait(state, None)) + one_more;
        state.promised_until = behind_all.min(now + LONGEST_RETRY);
        state.counts.refused += 1;
        let seconds = state.promised_until.saturating_sub(now).as_millis().div_ceil(1000).max(1);
        Overloaded { retry_after: Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)) }
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> State<J> {
    /// By which id somebody stands in the first row; none where they stand with the strangers.
    fn in_the_first_row(&self, whose: Standing) -> Option<Uuid> {
        let Standing::Known(id) = whose else { return None };
        let of_them = self.known.iter().filter(|waiting| waiting.of == Some(id)).count();
        (of_them < OF_ONE_IN_THE_FIRST_ROW).then_some(id)
    }

    fn pop(&mut self) -> Option<Waiting<J>> {
        if self.known_in_a_row >= KNOWN_IN_A_ROW && !self.strangers.is_empty() {
            self.known_in_a_row = 0;
            return self.strangers.pop_front();
        }
        if let Some(known) = self.known.pop_front() {
            self.known_in_a_row = self.known_in_a_row.saturating_add(1);
            return Some(known);
        }
        self.known_in_a_row = 0;
        self.strangers.pop_front()
    }

    fn waiting(&self) -> u32 {
        length(&self.known).saturating_add(length(&self.strangers))
    }
}

fn length<T>(row: &VecDeque<T>) -> u32 {
    u32::try_from(row.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Standing::{Known, Stranger};
    use super::*;

    const AVERAGE: Duration = Duration::from_millis(25);
    const MAX_WAIT: Duration = Duration::from_secs(1);

    /// A stopwatch that stands still until it is moved.
    #[derive(Default)]
    struct Moved(Mutex<Duration>);

    impl Moved {
        fn advance(&self, by: Duration) {
            *self.0.lock().unwrap() += by;
        }
    }

    impl Stopwatch for Moved {
        fn elapsed(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    fn queue(workers: usize) -> (Queue<u32>, Arc<Moved>) {
        let stopwatch = Arc::new(Moved::default());
        (Queue::new(workers, MAX_WAIT, AVERAGE, stopwatch.clone()), stopwatch)
    }

    /// Lets in as many as there is room for, and says how many.
    fn fill(queue: &Queue<u32>) -> u32 {
        (0..10_000).take_while(|&job| queue.admit(job, Stranger).is_ok()).last().map_or(0, |last| last + 1)
    }

    #[test]
    fn as_many_may_wait_as_are_served_within_the_longest_wait() {
        // A second is forty times 25 ms: 39 before it, and one under way.
        assert_eq!(fill(&queue(1).0), 1 + 39);
        assert_eq!(fill(&queue(2).0), 2 + 78);
    }

    #[test]
    fn whoever_asks_whether_there_is_room_is_told_what_admission_would_say() {
        let (queue, _) = queue(1);
        assert!(queue.room(Stranger).is_ok());
        fill(&queue);
        let refused = queue.counts().refused;
        assert!(queue.room(Stranger).is_err() && queue.room(Known(Uuid::nil())).is_ok());
        assert_eq!(queue.counts().refused, refused + 1);
    }

    #[test]
    fn a_slower_machine_has_a_shorter_queue() {
        let (queue, _) = queue(1);
        for _ in 0..100 {
            queue.admit(0, Stranger).unwrap();
            assert!(matches!(queue.next(), Turn::Work(0)));
            queue.done(Some(Duration::from_millis(200)));
        }
        assert!(queue.counts().average > Duration::from_millis(199), "{:?}", queue.counts());
        assert_eq!(fill(&queue), 1 + 4);
        let counts = queue.counts();
        assert_eq!((counts.waiting, counts.done, counts.refused), (5, 100, 1));
        assert_eq!(counts.worked, Duration::from_secs(20));
    }

    #[test]
    fn one_whose_turn_comes_too_late_is_refused_and_not_worked_off() {
        let (queue, stopwatch) = queue(1);
        queue.admit(1, Stranger).unwrap();
        queue.admit(2, Stranger).unwrap();
        assert!(matches!(queue.next(), Turn::Work(1)));
        stopwatch.advance(MAX_WAIT + Duration::from_millis(1));
        queue.done(Some(MAX_WAIT));
        assert!(matches!(queue.next(), Turn::Refuse(2, _)));
        assert_eq!(queue.counts().refused, 1);
        assert_eq!((queue.counts().waiting, queue.counts().running), (0, 0));
    }

    #[test]
    fn what_nobody_wants_any_more_keeps_its_place_and_says_nothing_of_how_long_one_takes() {
        let (queue, _) = queue(1);
        let room = fill(&queue);
        assert!(queue.admit(0, Stranger).is_err());
        assert!(matches!(queue.next(), Turn::Work(0)));
        queue.done(None);
        assert_eq!((queue.counts().average, queue.counts().done), (AVERAGE, 0));
        assert_eq!(queue.counts().waiting, u64::from(room) - 1);
    }

    #[test]
    fn a_flood_of_strangers_neither_sends_away_who_is_known_nor_has_them_wait() {
        let (queue, _) = queue(1);
        let strangers = fill(&queue);
        assert!(queue.admit(0, Stranger).is_err());
        for job in [1001, 1002] {
            queue.admit(job, Known(Uuid::from_u128(job.into()))).unwrap();
        }
        assert!(matches!(queue.next(), Turn::Work(1001)));
        assert!(matches!(queue.next(), Turn::Work(1002)), "in the order in which they came");
        assert!(matches!(queue.next(), Turn::Work(0)), "then the first stranger");
        assert_eq!(queue.counts().waiting, u64::from(strangers) - 1);
    }

    #[test]
    fn the_row_of_those_who_are_known_has_an_end_too() {
        let (queue, _) = queue(1);
        let by = |job: u32| Known(Uuid::from_u128(job.into()));
        let known = (0..10_000).take_while(|&job| queue.admit(job, by(job)).is_ok()).count();
        assert_eq!(known, 1 + 39);
        assert!(queue.admit(0, Stranger).is_err(), "strangers stand behind them");
    }

    /// One account can have as many browsers that it knows as somebody cares to log in with.
    #[test]
    fn one_account_fills_the_first_row_neither_for_others_nor_before_strangers() {
        let (queue, _) = queue(1);
        let [eve, ann] = [1, 2].map(|id| Known(Uuid::from_u128(id)));
        queue.admit(0, Stranger).unwrap();
        for job in 1..=8 {
            queue.admit(job, eve).unwrap();
        }
        queue.admit(100, ann).unwrap();
        let served: Vec<u32> = (0..5)
            .map(|_| {
                let Turn::Work(job) = queue.next() else { panic!("there is work") };
                queue.done(Some(AVERAGE));
                queue.admit(50, eve).unwrap();
                job
            })
            .collect();
        assert_eq!(served, [1, 2, 100, 0, 50], "two of the one, the other, a stranger, and on");
    }

    #[test]
    fn those_who_are_sent_away_are_told_to_come_one_after_the_other() {
        let (queue, stopwatch) = queue(1);
        fill(&queue);
        let told: Vec<u64> =
            (0..400).map(|_| queue.admit(0, Stranger).unwrap_err().retry_after.as_secs()).collect();
        assert!(told.is_sorted());
        // One was sent away by filling. Forty of 25 ms fit into a second, behind the second that the queue takes.
        assert_eq!((told[0], told[30], told[80], told[399]), (2, 2, 4, 12));
        let many = (0..2000).map(|_| queue.admit(0, Stranger).unwrap_err().retry_after).last().unwrap();
        assert_eq!(many, LONGEST_RETRY);
        stopwatch.advance(LONGEST_RETRY * 2);
        assert_eq!(queue.admit(0, Stranger).unwrap_err().retry_after.as_secs(), 2, "that is past");
    }

    #[test]
    fn a_closed_queue_ends_its_threads() {
        let (queue, _) = queue(1);
        queue.admit(1, Stranger).unwrap();
        queue.close();
        assert!(matches!(queue.next(), Turn::End));
    }
}
