use time::OffsetDateTime;

use super::{Client, UserId, id};

id! {
    /// Names one event.
    AuditEventId
}

/// Something that an owner or an operator may have to look up later: who, what, when, from where. It holds no
/// address of a mailbox and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Ordered by time.
    pub id: AuditEventId,
    /// What happened.
    pub kind: AuditEventKind,
    /// To whom, where that is known.
    pub user_id: Option<UserId>,
    /// When.
    pub created_at: OffsetDateTime,
    /// From where.
    pub client: Client,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditEventKind {
    /// An account was made.
    SignedUp,
    /// A session began with the right password.
    LoggedIn,
    /// A wrong password, or an address that nobody has.
    LogInFailed,
    /// A session was ended by its holder.
    LoggedOut,
    /// An old refresh secret was shown, and the session ended: somebody has a copy of the cookie.
    RefreshReused,
}

impl AuditEventKind {
    /// All kinds, for those who list or store them.
    pub const ALL: [Self; 5] =
        [Self::SignedUp, Self::LoggedIn, Self::LogInFailed, Self::LoggedOut, Self::RefreshReused];

    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedUp => "signed_up",
            Self::LoggedIn => "logged_in",
            Self::LogInFailed => "log_in_failed",
            Self::LoggedOut => "logged_out",
            Self::RefreshReused => "refresh_reused",
        }
    }

    /// Reads the stable word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
