use super::CurrentSession;
use crate::Accounts;
use crate::models::{AuditEventKind, Client, EmailAddress, MailKind};
use crate::repository::StoreError;

/// Why a change of the address goes on.
#[derive(Debug, thiserror::Error)]
pub enum CancelEmailChangeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// The address that shall take the place of that of who is asking, once somebody uses the link that was mailed there.
    pub async fn pending_email(&self, current: &CurrentSession) -> Result<Option<EmailAddress>, StoreError> {
        self.store.alone().find_pending_email(current.user.id, self.clock.now()).await
    }

    /// Ends a change of the address that was begun: its link, and the mail with it where that still waits. Where none was
    /// begun, nothing is done, and that is no error: afterwards there is none.
    ///
    /// It asks for no password. Who has an open session may keep the address as it is; to change it is what needs more.
    pub async fn cancel_email_change(
        &self,
        current: &CurrentSession,
        client: &Client,
    ) -> Result<(), CancelEmailChangeError> {
        let user = &current.user;
        let now = self.clock.now();
        let event = self.event(AuditEventKind::EmailChangeCancelled, Some(user.id), client, now);
        let only = Some(MailKind::ConfirmNewEmail);
        let mut work = self.store.begin().await?;
        // First the mail and then the link: one that is being made in this moment is either seen here or not made.
        let waiting =
            work.end_link_mails(user.id, &user.email, only, "the change was cancelled", now).await?;
        let had_link = work.end_new_email_token(user.id).await?;
        if !had_link && waiting.is_empty() {
            return Ok(());
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(())
    }
}
