use ::vestibule::models::EmailAddress;
use ::vestibule::ports::MailError;
use async_trait::async_trait;
use time::OffsetDateTime;

/// A mail in its final words, for one mailbox. It may hold a link that opens an account, so it is neither stored nor
/// logged, and has no `Debug`.
#[derive(Clone)]
pub struct Letter {
    /// Unique to this attempt: ASCII letters, digits, `-` and `.`. The left half of the `Message-ID`.
    pub id: String,
    /// The one mailbox that it goes to.
    pub to: EmailAddress,
    /// One line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as a whole HTML document.
    pub html: String,
    /// The `Date`.
    pub created_at: OffsetDateTime,
}

/// Takes letters to where they are delivered: a mail server, a provider, the development mailbox.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Delivers one letter. `Ok` only where somebody else has taken the responsibility for it.
    async fn deliver(&self, letter: &Letter) -> Result<(), MailError>;
}
