use super::CurrentSession;
use super::forgot_password::{HOUR, MAILS_AN_HOUR};
use crate::Accounts;
use crate::models::{AuditEventKind, Client, MailKind};
use crate::repository::StoreError;

/// Why no other mail is sent.
#[derive(Debug, thiserror::Error)]
pub enum ResendConfirmationError {
    /// There is nothing to confirm any more.
    #[error("the address is confirmed already")]
    AlreadyConfirmed,
    /// Five were sent within the last hour.
    #[error("several mails were sent within the last hour")]
    TooMany {
        /// Seconds after which to try again.
        retry_after: u64,
    },
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
        let now = self.clock.now();
        let mail = self.mail_about(&current.user, MailKind::ConfirmEmail, client, now);
        if !self.store.alone().insert_limited_mail(&mail, now - HOUR, MAILS_AN_HOUR).await? {
            let retry_after = HOUR.whole_seconds().unsigned_abs();
            return Err(ResendConfirmationError::TooMany { retry_after });
        }
        self.record(AuditEventKind::ConfirmationRequested, Some(current.user.id), client).await?;
        Ok(())
    }
}
