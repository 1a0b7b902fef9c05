use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use vestibule::models::{CandidatePassword, Password, PasswordHash};
use vestibule::ports::{
    Argon2Parameters, HasherError, HashingLoad, HashingPlan, HashingSlots, Judgement, OsRandom, Overloaded,
    PasswordHasher, Standing,
};

/// What a test changes of a real hasher. Everything else is as it is.
#[async_trait]
pub trait HasherChange: Send + Sync + 'static {
    /// The real one.
    fn real(&self) -> &HashingSlots;

    /// In the place of [`PasswordHasher::matches`].
    async fn matches(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        whose: Standing,
    ) -> Result<bool, HasherError> {
        self.real().matches(password, hash, whose).await
    }

    /// In the place of [`PasswordHasher::room_for_a_stranger`].
    fn room_for_a_stranger(&self) -> Result<(), Overloaded> {
        self.real().room_for_a_stranger()
    }
}

/// A hasher with a change.
pub struct Changed<C>(pub C);

#[async_trait]
impl<C: HasherChange> PasswordHasher for Changed<C> {
    async fn judge(&self, candidate: CandidatePassword, whose: Standing) -> Result<Judgement, HasherError> {
        self.0.real().judge(candidate, whose).await
    }

    async fn hash(&self, password: Password, whose: Standing) -> Result<PasswordHash, HasherError> {
        self.0.real().hash(password, whose).await
    }

    async fn matches(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        whose: Standing,
    ) -> Result<bool, HasherError> {
        self.0.matches(password, hash, whose).await
    }

    fn is_outdated(&self, hash: &PasswordHash) -> bool {
        self.0.real().is_outdated(hash)
    }

    fn room_for_a_stranger(&self) -> Result<(), Overloaded> {
        self.0.room_for_a_stranger()
    }

    fn load(&self) -> Option<HashingLoad> {
        self.0.real().load()
    }
}

/// A hasher of one slot and the least cost that is allowed.
pub fn least_slots() -> HashingSlots {
    HashingSlots::start(HashingPlan::new(Argon2Parameters::FLOOR, NonZeroUsize::MIN), Arc::new(OsRandom))
}
