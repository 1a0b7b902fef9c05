use std::fmt;

use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::{Client, EmailAddress, MailKind, OutgoingMailId, PersonName};

/// A mail as it is about to be sent. It lives from its minting to its delivery and is never stored: it may hold a
/// link that opens an account.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Which row of the outbox it was.
    pub id: OutgoingMailId,
    /// How often it was tried, this time included. A mail that is sent again has another link, so it must not pass
    /// for the same message.
    pub attempt: u32,
    /// The one mailbox that it goes to.
    pub to: EmailAddress,
    /// How its reader is called, while we know.
    pub name: Option<PersonName>,
    /// The present moment.
    pub sent_at: OffsetDateTime,
    /// What it tells.
    pub message: MailMessage,
}

/// What a mail tells, with all that its text needs.
#[derive(Debug, Clone)]
pub enum MailMessage {
    /// Asks to confirm the address of a new account.
    ConfirmEmail(MailedLink),
    /// Asks to confirm the address of a sign-up that has no account yet.
    ConfirmSignUp(MailedLink, Happened),
    /// Somebody tried to sign up with the address of an account.
    SignUpAttempted(Happened),
    /// Asks to confirm the address that shall replace another.
    ConfirmNewEmail(MailedLink),
    /// Lets somebody choose a new password.
    ResetPassword(MailedLink, Happened),
    /// The password was changed or reset.
    PasswordChanged(Happened),
    /// Somebody asked for another address. Goes to the present one.
    EmailChangeRequested(Happened),
    /// Another address took the place of this one. Goes to the one before.
    EmailChanged(Happened),
    /// A log-in from a browser that this account has not been used with.
    NewLogIn(Happened),
    /// An old refresh secret was shown and the session ended.
    RefreshReused(Happened),
    /// The account was deleted.
    AccountDeleted(Happened),
    /// A key was made that lets a program in.
    ServiceKeyMade(Happened),
}

/// An address of this site that does something for whoever has it, once. It is never printed.
#[derive(Clone)]
pub struct MailedLink {
    url: Zeroizing<String>,
    /// How long it is good.
    pub lifetime: Duration,
}

/// What a security notice tells of: when and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: OffsetDateTime,
    /// From where.
    pub client: Client,
}

impl MailedLink {
    /// A link and how long it is good from now.
    pub fn new(url: String, lifetime: Duration) -> Self {
        Self { url: Zeroizing::new(url), lifetime }
    }

    /// The whole address, for the mail.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Debug for MailedLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailedLink(…)")
    }
}

impl MailMessage {
    /// What kind of mail it is.
    pub fn kind(&self) -> MailKind {
        match self {
            Self::ConfirmEmail(_) => MailKind::ConfirmEmail,
            Self::ConfirmSignUp(..) => MailKind::ConfirmSignUp,
            Self::SignUpAttempted(_) => MailKind::SignUpAttempted,
            Self::ConfirmNewEmail(_) => MailKind::ConfirmNewEmail,
            Self::ResetPassword(..) => MailKind::ResetPassword,
            Self::PasswordChanged(_) => MailKind::PasswordChanged,
            Self::EmailChangeRequested(_) => MailKind::EmailChangeRequested,
            Self::EmailChanged(_) => MailKind::EmailChanged,
            Self::NewLogIn(_) => MailKind::NewLogIn,
            Self::RefreshReused(_) => MailKind::RefreshReused,
            Self::AccountDeleted(_) => MailKind::AccountDeleted,
            Self::ServiceKeyMade(_) => MailKind::ServiceKeyMade,
        }
    }
}
