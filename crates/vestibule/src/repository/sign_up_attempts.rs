use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::models::{
    ConfirmsSignUp, EmailAddress, OneTimeTokenHash, OutgoingMailId, SignUpAttempt, SignUpAttemptId,
    SignUpBrowserHash,
};

/// Sign-ups that wait for their address to be confirmed. Nothing here looks at users: whether an address has an account
/// must not make a difference that could be seen or timed.
#[async_trait]
pub trait SignUpAttempts {
    /// Adds one, unless `at_most` wait that were begun in the same network. `false` where they do.
    async fn insert_sign_up_attempt(
        &mut self,
        attempt: &SignUpAttempt,
        at_most: u32,
    ) -> Result<bool, StoreError>;

    /// Removes the one that a browser began.
    async fn delete_sign_up_attempt_of(&mut self, browser: SignUpBrowserHash) -> Result<(), StoreError>;

    /// Of the attempts with an address that were begun in the same network as `keep`, keeps that one and the oldest others,
    /// `others` of them, and removes the rest: who floods an address pushes out what they began themselves, and never what
    /// somebody elsewhere began, whoever came first. Where the network is not known, nothing is removed.
    async fn trim_sign_up_attempts(
        &mut self,
        email: &EmailAddress,
        keep: SignUpAttemptId,
        others: u32,
    ) -> Result<(), StoreError>;

    /// The one that a browser began, while it waits.
    async fn find_sign_up_attempt_of(
        &mut self,
        browser: SignUpBrowserHash,
        now: OffsetDateTime,
    ) -> Result<Option<SignUpAttempt>, StoreError>;

    /// The one that a mail was written for, while it waits and no later mail was.
    async fn find_sign_up_attempt_by_mail(
        &mut self,
        mail: OutgoingMailId,
        now: OffsetDateTime,
    ) -> Result<Option<SignUpAttempt>, StoreError>;

    /// The one of a link, while both are good.
    async fn find_sign_up_attempt(
        &mut self,
        hash: OneTimeTokenHash<ConfirmsSignUp>,
        now: OffsetDateTime,
    ) -> Result<Option<SignUpAttempt>, StoreError>;

    /// Puts the link of a mail in the place of the one before it. `false` where the attempt is over, a later mail was
    /// written for it, or somebody else has claimed the mail meanwhile or finished it.
    async fn put_sign_up_token(
        &mut self,
        mail: OutgoingMailId,
        claim: u32,
        hash: OneTimeTokenHash<ConfirmsSignUp>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Writes down that another mail goes, perhaps to another address, and ends the link before it, unless the mail is the same:
    /// then neither a mail is counted nor the time to confirm it made longer.
    /// A refusal of the owner holds on for the same address. `false` where the attempt is over or has had all its mails.
    async fn readdress_sign_up_attempt(
        &mut self,
        id: SignUpAttemptId,
        email: &EmailAddress,
        mail: OutgoingMailId,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Takes the attempt of a link that is still good away. Of several who ask, one gets `true`.
    async fn redeem_sign_up_attempt(
        &mut self,
        hash: OneTimeTokenHash<ConfirmsSignUp>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Ends the link of an attempt and every later mail to its address, as its owner wishes. `false` where the link was
    /// not good.
    async fn decline_sign_up_attempt(
        &mut self,
        hash: OneTimeTokenHash<ConfirmsSignUp>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Ends the links of all attempts with an address.
    async fn end_sign_up_tokens(&mut self, email: &EmailAddress) -> Result<(), StoreError>;

    /// Removes those whose time is over, at most `limit`, and counts them.
    async fn delete_expired_sign_up_attempts(
        &mut self,
        now: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
