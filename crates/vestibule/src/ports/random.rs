use time::OffsetDateTime;
use uuid::Uuid;

/// The one source of chance: session ids, secrets, tokens, salts and keys all come from here.
///
/// An implementation must be a cryptographically secure generator. Nothing else in the workspace may draw
/// random numbers; `clippy.toml` holds that.
pub trait Random: Send + Sync + 'static {
    /// Fills `bytes` with unpredictable values.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator (`getrandom(2)` and its kin).
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system for chance")]
    fn fill(&self, bytes: &mut [u8]) {
        // An account system without randomness must stop rather than go on guessably.
        getrandom::fill(bytes).expect("the operating system supplies randomness");
    }
}

impl dyn Random + '_ {
    /// `N` unpredictable bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A version 7 UUID (RFC 9562): ordered by the millisecond of `now`, 74 random bits.
    pub fn uuid_v7(&self, now: OffsetDateTime) -> Uuid {
        let milliseconds = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &self.bytes()).into_uuid()
    }
}
