use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::QueueCounts;
use crate::models::{CandidatePassword, Password, PasswordError, PasswordHash, StrongPassword};

/// On whose behalf a password is worked on. Where there is more work than time, a flood of strangers waits behind those who
/// are known, and cannot have them sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Somebody with a session or a mailed link, or at a browser that the account was used with before, by the id of the account
    /// or the link. Few of one id go before strangers at the same time: browsers of an account are made by logging in, so whoever
    /// has an account could have any number of them.
    Known(Uuid),
    /// Anybody else.
    Stranger,
}

impl Standing {
    /// Known by an id, where there is one.
    pub fn of(id: Option<Uuid>) -> Self {
        id.map_or(Self::Stranger, Self::Known)
    }
}

/// What became of a password that somebody wants to have.
pub type Judgement = Result<StrongPassword, PasswordError>;

/// Judges passwords, turns them into hashes and compares them, off the caller's thread.
///
/// Memory and waiting are bounded: an implementation that has no room answers [`Overloaded`] at once instead
/// of queueing without limit.
#[async_trait]
pub trait PasswordHasher: Send + Sync + 'static {
    /// Judges the strength of a password, which is work of the same order as hashing one.
    async fn judge(&self, candidate: CandidatePassword, whose: Standing) -> Result<Judgement, HasherError>;

    /// Hashes a password with a fresh salt and today's parameters.
    async fn hash(&self, password: Password, whose: Standing) -> Result<PasswordHash, HasherError>;

    /// Whether the password is the one behind the hash.
    ///
    /// With no hash (an unknown address, an account without a password) the same work is done against a decoy
    /// of today's parameters and the answer is `false`, so that time does not tell who has an account.
    async fn matches(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        whose: Standing,
    ) -> Result<bool, HasherError>;

    /// Whether the hash was made with other parameters than today's and should be made again.
    fn is_outdated(&self, hash: &PasswordHash) -> bool;

    /// Whether somebody of whom nothing is known would be let in now to have a password hashed or compared: before anything else
    /// is done for them. Later there may be no room all the same.
    fn room_for_a_stranger(&self) -> Result<(), Overloaded> {
        Ok(())
    }

    /// How busy it is, where it can tell.
    fn load(&self) -> Option<HashingLoad> {
        None
    }
}

/// How busy a hasher is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HashingLoad {
    /// Hashing and comparing.
    pub hashing: QueueCounts,
    /// Judging.
    pub judging: QueueCounts,
}

/// There is no room for another password check right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server is busy checking passwords, try again in a moment")]
pub struct Overloaded {
    /// When to try again.
    pub retry_after: Duration,
}

/// Why a password could not be hashed or compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HasherError {
    /// Too many others wait.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The stored hash is none of ours, or memory could not be had.
    #[error("a password could not be hashed: {0}")]
    Failed(String),
}

/// The cost of one password hash (Argon2id, RFC 9106).
///
/// Never below the floor of the OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Parameters {
    memory_kib: u32,
    passes: u32,
}

impl Argon2Parameters {
    /// OWASP's minimum for Argon2id.
    pub const FLOOR: Self = Self { memory_kib: 19 * 1024, passes: 2 };
    /// Beyond 1 GiB a single log-in could take down a small server.
    pub const CEILING: Self = Self { memory_kib: 1024 * 1024, passes: 100 };

    /// Parameters at or above the floor.
    ///
    /// # Errors
    /// A sentence that says which bound was missed.
    pub fn new(memory_kib: u32, passes: u32) -> Result<Self, String> {
        if !(Self::FLOOR.memory_kib..=Self::CEILING.memory_kib).contains(&memory_kib) {
            return Err(format!(
                "memory must be from {} to {} KiB, got {memory_kib}",
                Self::FLOOR.memory_kib,
                Self::CEILING.memory_kib
            ));
        }
        if !(Self::FLOOR.passes..=Self::CEILING.passes).contains(&passes) {
            return Err(format!(
                "passes must be from {} to {}, got {passes}",
                Self::FLOOR.passes,
                Self::CEILING.passes
            ));
        }
        Ok(Self { memory_kib, passes })
    }

    /// Memory of one hash in KiB.
    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over that memory.
    pub fn passes(self) -> u32 {
        self.passes
    }
}

impl Default for Argon2Parameters {
    fn default() -> Self {
        Self::FLOOR
    }
}
