use async_trait::async_trait;

use crate::models::LeakFingerprint;

/// Knows passwords that were found in leaks: a list, or somebody who keeps one.
///
/// Every door that takes a new password asks, after all else has been found good about it. An implementation must
/// answer within about a second, must write nothing of the password into a log, and where it cannot know (a service is
/// down) it says no: people have to be able to sign up without it.
#[async_trait]
pub trait BreachedPasswords: Send + Sync + 'static {
    /// Whether the password of this fingerprint is known to have been leaked.
    async fn contain(&self, password: &LeakFingerprint) -> bool;

    /// Whether somebody outside is asked. It is not, then, about what is still being typed: who is told a little of each
    /// of several beginnings of a password, be it five digits, can tell them from all others together.
    fn asks_outside(&self) -> bool {
        false
    }
}
