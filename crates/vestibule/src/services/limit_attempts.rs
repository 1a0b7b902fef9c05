use time::OffsetDateTime;

use crate::Accounts;
use crate::models::{Bucket, Client, DeviceHash, EmailAddress, RateLimits, TooManyAttempts};
use crate::refusals::Asked;
use crate::repository::{Counted, CredentialsAndDevice, Repository, StoreError};

/// What an attempt took from quotas, to be given back where it was an honest one.
#[derive(Debug)]
#[must_use]
pub(super) struct Attempt(Vec<Bucket>);

impl Accounts {
    /// What a password that is about to be tried is compared with. At a browser that the account was used with, which
    /// `device_seen_at` tells, the attempt is counted by the same question; a stranger's is not counted yet.
    ///
    /// Of any number of attempts that race, as many are checked as the quota allows. Log-in and every form that asks for the
    /// current password share the count, so none is a side door to the others.
    pub(super) async fn find_credentials_for_attempt<E>(
        &self,
        account: &EmailAddress,
        device: Option<DeviceHash>,
    ) -> Result<Option<CredentialsAndDevice>, E>
    where
        E: From<TooManyAttempts> + From<StoreError>,
    {
        let (Some(device), Some(limits)) = (device, &self.policy.rate_limits) else {
            return Ok(self.store.alone().find_credentials_by_email(account, device).await?);
        };
        let bucket = [limits.for_password_at(account, device)];
        let now = self.clock.now();
        self.refusals.stand(&bucket, now)?;
        let mut repository = self.store.alone();
        let asked = self.refusals.ask();
        let counted = repository.find_credentials_and_take(account, device, &bucket[0], now).await?;
        match counted {
            Some(attempt) if attempt.counted == Counted::Empty => {
                Err(self.refusal_of(&bucket, repository, asked, now).await?.into())
            }
            attempt => Ok(attempt.map(|attempt| attempt.found)),
        }
    }

    /// Counts a password that a stranger is about to try, before it is looked at.
    pub(super) async fn take_strangers_attempt<E>(
        &self,
        account: &EmailAddress,
        client: &Client,
    ) -> Result<Attempt, E>
    where
        E: From<TooManyAttempts> + From<StoreError>,
    {
        self.take(|limits| limits.for_password_of_stranger(account, client)).await
    }

    /// Counts an attempt of another kind.
    pub(super) async fn take<E>(&self, buckets: impl Fn(&RateLimits) -> Vec<Bucket>) -> Result<Attempt, E>
    where
        E: From<TooManyAttempts> + From<StoreError>,
    {
        self.refuse_again::<E>(&buckets)?;
        self.take_of_the_store(buckets).await
    }

    /// The same for which the store is asked in any case.
    async fn take_of_the_store<E>(&self, buckets: impl Fn(&RateLimits) -> Vec<Bucket>) -> Result<Attempt, E>
    where
        E: From<TooManyAttempts> + From<StoreError>,
    {
        let buckets = self.buckets(buckets);
        if buckets.is_empty() {
            return Ok(Attempt(buckets));
        }
        let now = self.clock.now();
        let mut repository = self.store.alone();
        let asked = self.refusals.ask();
        if repository.take_from_buckets(&buckets, now).await? {
            return Ok(Attempt(buckets));
        }
        Err(self.refusal_of(&buckets, repository, asked, now).await?.into())
    }

    /// When to come back for what the store has just refused, which is remembered.
    async fn refusal_of(
        &self,
        buckets: &[Bucket],
        mut repository: Box<dyn Repository>,
        asked: Asked,
        now: OffsetDateTime,
    ) -> Result<TooManyAttempts, StoreError> {
        let levels = repository.list_bucket_levels(buckets).await?;
        self.refusals.remember(&levels, asked, now);
        let refusals = levels
            .iter()
            .filter_map(|level| TooManyAttempts::until(level.opens_at(), level.bucket.quota, now));
        // None where time has passed between the two statements: the next second will do.
        Ok(refusals.max_by_key(|refusal| refusal.retry_after).unwrap_or_else(|| TooManyAttempts {
            retry_after: time::Duration::SECOND,
            quota: buckets[0].quota,
        }))
    }

    /// What an attempt is counted by; nothing where attempts are not limited.
    fn buckets(&self, of: impl FnOnce(&RateLimits) -> Vec<Bucket>) -> Vec<Bucket> {
        self.policy.rate_limits.as_ref().map(of).unwrap_or_default()
    }

    /// Refuses what was refused just now, without a look at the store. For what need not know first which quotas there are.
    pub(super) fn refuse_again<E: From<TooManyAttempts>>(
        &self,
        buckets: impl Fn(&RateLimits) -> Vec<Bucket>,
    ) -> Result<(), E> {
        let buckets = self.buckets(buckets);
        Ok(self.refusals.stand(&buckets, self.clock.now())?)
    }

    /// The same where whoever asks is not to be told: whether there was one more. The store is asked whatever is remembered, for an
    /// answer that came sooner would tell.
    pub(super) async fn take_in_silence(
        &self,
        buckets: impl Fn(&RateLimits) -> Vec<Bucket>,
    ) -> Result<bool, StoreError> {
        match self.take_of_the_store::<SilentError>(buckets).await {
            Ok(_) => Ok(true),
            Err(SilentError::TooMany) => Ok(false),
            Err(SilentError::Store(error)) => Err(error),
        }
    }

    /// Gives back what a right password took. What wrong ones took stays: who logs in to an account of their own between
    /// guesses at others gains nothing.
    ///
    /// Never an error: whoever is logged in by now must not be told that they are not.
    pub(super) async fn give_back(&self, attempt: Attempt, now: OffsetDateTime) {
        let Attempt(buckets) = attempt;
        if !buckets.is_empty() {
            let _ = self.store.alone().give_back_to_buckets(&buckets, now).await;
            self.refusals.forget(&buckets);
        }
    }
}

enum SilentError {
    TooMany,
    Store(StoreError),
}

impl From<TooManyAttempts> for SilentError {
    fn from(_: TooManyAttempts) -> Self {
        Self::TooMany
    }
}

impl From<StoreError> for SilentError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
