use super::CurrentSession;
use crate::Accounts;
use crate::models::{AuditEventKind, Client, MailKind, TooManyAttempts};
use crate::repository::StoreError;

/// Why no other mail is sent.
#[derive(Debug, thiserror::Error)]
pub enum ResendConfirmationError {
    /// There is nothing to confirm any more.
    #[error("the address is confirmed already")]
    AlreadyConfirmed,
    /// Too many were asked for to this address, or from there.
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
        let email = &current.user.email;
        let _ = self.take::<ResendConfirmationError>(|limits| limits.for_confirmation(email, client)).await?;
        let now = self.clock.now();
        let mail = self.mail_about(&current.user, MailKind::ConfirmEmail, client, now);
        let event = self.event(AuditEventKind::ConfirmationRequested, Some(current.user.id), client, now);
        let mut work = self.store.begin().await?;
        work.insert_outgoing_mail(&mail).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(())
    }
}
