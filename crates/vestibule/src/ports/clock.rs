use time::OffsetDateTime;

/// Tells the time.
///
/// Everything that expires asks a clock, so that tests can move time instead of sleeping.
pub trait Clock: Send + Sync + 'static {
    /// The present moment in UTC, in whole microseconds: what both databases can store without rounding.
    fn now(&self) -> OffsetDateTime;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        now.replace_microsecond(now.microsecond()).expect("a moment's own microsecond is in range")
    }
}

/// Measures how long something takes. In contrast to a clock it is never set, and says nothing about the time of day.
pub trait Stopwatch: Send + Sync + 'static {
    /// How long it runs already.
    fn elapsed(&self) -> std::time::Duration;
}

/// A stopwatch of the machine's.
#[derive(Debug, Clone, Copy)]
pub struct SystemStopwatch(std::time::Instant);

impl SystemStopwatch {
    /// Starts one.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's stopwatch")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Stopwatch for SystemStopwatch {
    fn elapsed(&self) -> std::time::Duration {
        self.0.elapsed()
    }
}
