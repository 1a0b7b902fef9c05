use async_trait::async_trait;

use crate::models::Mail;

/// Writes mails and gives them to whoever delivers them.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Sends one mail. `Ok` only where somebody else has taken the responsibility for it.
    ///
    /// An implementation must come to an end within a minute: after two the mail counts as lost and is sent again.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// Why a mail was not sent. The texts are for the operator's log; they hold no address and no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It may go another time: no connection, a busy server, a refused certificate, a wrong password of ours.
    #[error("{0}")]
    TryAgain(String),
    /// It will never go: there is no such mailbox, or the message itself is refused.
    #[error("{0}")]
    Refused(String),
}
