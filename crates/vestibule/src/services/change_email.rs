use super::{CurrentPasswordError, CurrentSession};
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{AuditEventKind, Client, EmailAddress, InvalidInput, MailKind, TooManyAttempts};
use crate::repository::StoreError;

/// What somebody typed who wants another address.
#[derive(Clone, Copy)]
pub struct ChangeEmail<'a> {
    /// The address that they want.
    pub email: &'a str,
    /// Their password.
    pub current_password: &'a str,
}

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum ChangeEmailError {
    /// Something has to be typed again.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The password was not right.
    #[error(transparent)]
    CurrentPassword(#[from] CurrentPasswordError),
    /// Too many were asked for to this address, by this account, or from there.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Begins to put another address in the place of the present one. Nothing changes until the link that is mailed
    /// to the new address is used; the present address is told at once.
    ///
    /// Whether somebody has the new address is not told: whoever sends the mail finds out, and sends none.
    pub async fn change_email(
        &self,
        current: &CurrentSession,
        typed: ChangeEmail<'_>,
        client: &Client,
    ) -> Result<(), ChangeEmailError> {
        let user = &current.user;
        let mut invalid = Vec::new();
        let Some(email) = take("email", EmailAddress::parse(typed.email), &mut invalid) else {
            return Err(InvalidInput { fields: invalid }.into());
        };
        if email == user.email {
            return Err(InvalidInput::one("email", "unchanged", "This is your address already.").into());
        }
        let proof =
            self.verify_current_password(user, typed.current_password, &current.devices(), client).await?;
        let _ =
            self.take::<ChangeEmailError>(|limits| limits.for_new_address(user.id, &email, client)).await?;

        let now = self.clock.now();
        let link = self.mail_to(email, Some(user.id), MailKind::ConfirmNewEmail, client, now);
        let notice = self.mail_about(user, MailKind::EmailChangeRequested, client, now);
        let event = self.event(AuditEventKind::EmailChangeRequested, Some(user.id), client, now);

        let mut work = self.store.begin().await?;
        // A reset that came between threw out who knows the password of before: no link of theirs may be written after it.
        if !work.lock_password(user.id, proof.hash()).await? {
            return Err(CurrentPasswordError::Wrong.into());
        }
        work.insert_outgoing_mail(&link).await?;
        work.insert_outgoing_mail(&notice).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(())
    }
}
