use time::OffsetDateTime;

use super::{Client, EmailAddress, UserId, id};

id! {
    /// Names one mail to be sent.
    OutgoingMailId
}

/// A mail that has to be sent, written in the same transaction as what it tells of. It holds no text and no
/// token: both are made as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMail {
    /// Ordered by time.
    pub id: OutgoingMailId,
    /// What it tells.
    pub kind: MailKind,
    /// Whom it concerns.
    pub user_id: UserId,
    /// Where it goes.
    pub recipient: EmailAddress,
    /// When that happened which it tells of, and not before when it is sent.
    pub created_at: OffsetDateTime,
    /// From where that was done, for the mails that say so.
    pub client: Client,
}

/// What a mail tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// Asks to confirm the address of a new account.
    ConfirmEmail,
    /// Asks to confirm the address that shall replace another.
    ConfirmNewEmail,
    /// Lets somebody choose a new password.
    ResetPassword,
    /// The password was changed or reset.
    PasswordChanged,
    /// Somebody asked for another address. Goes to the present one.
    EmailChangeRequested,
    /// Another address took the place of this one. Goes to the one before.
    EmailChanged,
    /// A log-in from a browser that this account has not been used with.
    NewLogIn,
    /// An old refresh secret was shown and the session ended.
    RefreshReused,
}

impl MailKind {
    /// All kinds, for those who list or store them.
    pub const ALL: [Self; 8] = [
        Self::ConfirmEmail,
        Self::ConfirmNewEmail,
        Self::ResetPassword,
        Self::PasswordChanged,
        Self::EmailChangeRequested,
        Self::EmailChanged,
        Self::NewLogIn,
        Self::RefreshReused,
    ];

    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm_email",
            Self::ConfirmNewEmail => "confirm_new_email",
            Self::ResetPassword => "reset_password",
            Self::PasswordChanged => "password_changed",
            Self::EmailChangeRequested => "email_change_requested",
            Self::EmailChanged => "email_changed",
            Self::NewLogIn => "new_log_in",
            Self::RefreshReused => "refresh_reused",
        }
    }

    /// Reads the stable word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
