use async_trait::async_trait;

use super::StoreError;
use crate::models::OutgoingMail;

/// The outbox: mails to be sent, each written with what it tells of.
#[async_trait]
pub trait OutgoingMails {
    /// Adds a mail.
    async fn insert_outgoing_mail(&mut self, mail: &OutgoingMail) -> Result<(), StoreError>;

    /// The mails that wait, oldest first, at most `limit`.
    async fn list_outgoing_mails(&mut self, limit: u32) -> Result<Vec<OutgoingMail>, StoreError>;
}
