use super::CurrentSession;
use super::forgot_password::{HOUR, MAILS, MAILS_AN_HOUR};
use crate::Accounts;
use crate::models::{AuditEventKind, Client, MailKind, TooManyAttempts};
use crate::repository::StoreError;

/// Why no other mail is sent.
#[derive(Debug, thiserror::Error)]
pub enum ResendConfirmationError {
    /// There is nothing to confirm any more.
    #[error("the address is confirmed already")]
    AlreadyConfirmed,
    /// Five were sent within the last hour, or too many to others from there.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Sends the mail that asks to confirm the address once more. Its link ends those before it.
    pub async fn resend_confirmation(
        &self,
        current: &CurrentSession,
        client: &Client,
    ) -> Result<(), ResendConfirmationError> {
        if current.user.is_email_verified {
            return Err(ResendConfirmationError::AlreadyConfirmed);
        }
        let _ = self.take::<ResendConfirmationError>(|limits| limits.for_mail(client)).await?;
        let now = self.clock.now();
        let mail = self.mail_about(&current.user, MailKind::ConfirmEmail, client, now);
        if !self.store.alone().insert_limited_mail(&mail, now - HOUR, MAILS_AN_HOUR).await? {
            return Err(TooManyAttempts { retry_after: HOUR, quota: MAILS }.into());
        }
        self.record(AuditEventKind::ConfirmationRequested, Some(current.user.id), client).await?;
        Ok(())
    }
}
