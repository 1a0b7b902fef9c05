use time::Duration;

use super::send_mail::LEASE;
use super::{Administrator, PageOf};
use crate::Accounts;
use crate::models::{AuditEventKind, MailCounts, OutgoingMailId, TrackedMail};
use crate::repository::{MailFilter, StoreError};

impl Accounts {
    /// The mails of the outbox with what became of them, newest first.
    pub async fn list_mails(
        &self,
        filter: MailFilter,
        limit: u32,
    ) -> Result<PageOf<TrackedMail>, StoreError> {
        let mails = self.store.alone().find_mails(filter, limit.saturating_add(1)).await?;
        Ok(PageOf::cut(mails, limit))
    }

    /// How many mails wait and how many were given up.
    pub async fn count_mails(&self) -> Result<MailCounts, StoreError> {
        self.store.alone().count_mails().await
    }

    /// How long the oldest mail waits that is still to be sent; none where none waits.
    pub async fn longest_wait_of_a_mail(&self) -> Result<Option<Duration>, StoreError> {
        let since = self.store.alone().find_when_the_oldest_mail_came().await?;
        Ok(since.map(|since| (self.clock.now() - since).max(Duration::ZERO)))
    }

    /// Lets a mail that was given up, or that waits for longer, be tried at once. `false` where there is no such mail, or
    /// none that needs it: it was sent, or its turn comes within two minutes.
    pub async fn retry_mail(&self, mail: OutgoingMailId, by: &Administrator) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut work = self.store.begin().await?;
        let Some(mail) = work.retry_mail(mail, now, now + LEASE).await? else {
            return Ok(false);
        };
        let event = self.event_by(by, AuditEventKind::MailRetried, mail.user_id, mail.kind.as_str(), now);
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(true)
    }
}
