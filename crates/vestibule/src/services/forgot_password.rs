use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{Client, EmailAddress, InvalidInput, MailKind, TooManyAttempts};
use crate::repository::StoreError;

/// Why nothing was noted.
#[derive(Debug, thiserror::Error)]
pub enum ForgotPasswordError {
    /// It is no address.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// Too many were asked for from there.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Notes that somebody wants a link to choose a new password.
    ///
    /// Nothing is looked up: the typed address goes into the outbox, in one statement that is the same for every
    /// address, and who sends the mail finds out whether anybody has it. So neither the answer nor its time tells who
    /// has an account, whether or not mail goes out. Of requests for one address that come faster than its quota
    /// refills nothing is noted, and that is not told either.
    pub async fn forgot_password(&self, email: &str, client: &Client) -> Result<(), ForgotPasswordError> {
        let mut invalid = Vec::new();
        let Some(email) = take("email", EmailAddress::parse(email), &mut invalid) else {
            return Err(InvalidInput { fields: invalid }.into());
        };
        let _ = self.take::<ForgotPasswordError>(|limits| limits.for_mail(client)).await?;
        if !self.take_in_silence(|limits| limits.for_reset(&email, self.policy.reset_ttl)).await? {
            return Ok(());
        }
        let mail = self.mail_to(email, None, MailKind::ResetPassword, client, self.clock.now());
        self.store.alone().insert_outgoing_mail(&mail).await?;
        Ok(())
    }
}

/// A form without a token is refused as a form, before anything is looked up: a blank one must never match.
pub(super) fn require_token(typed: &str) -> Result<(), InvalidInput> {
    if typed.trim().is_empty() {
        return Err(InvalidInput::one(
            "token",
            "required",
            "Open the link of the mail once more: its token is missing.",
        ));
    }
    Ok(())
}
