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
    /// To whom, where that is known. Their account may be gone.
    pub user_id: Option<UserId>,
    /// Who did it.
    pub actor: Actor,
    /// What the kind does not say: the role that somebody had and has now. Empty for most.
    pub detail: String,
    /// When.
    pub created_at: OffsetDateTime,
    /// From where.
    pub client: Client,
}

/// Who did what an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Whom it concerns, or a visitor whom nobody knows.
    Visitor,
    /// An admin, on the admin pages. Their account may be gone; none where it was removed by a release that took the name
    /// along.
    Admin(Option<UserId>),
    /// Who has the command line of the server.
    Operator,
}

impl Actor {
    /// The word for it in the database, and in what is told to programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Admin(_) => "admin",
            Self::Operator => "operator",
        }
    }

    /// Which admin, where it was one whose account is known.
    pub const fn id(self) -> Option<UserId> {
        match self {
            Self::Admin(id) => id,
            Self::Visitor | Self::Operator => None,
        }
    }

    /// Reads the word back, with the admin that it is about. `None` for a word that is none of these.
    pub fn parse(word: &str, id: Option<UserId>) -> Option<Self> {
        [Self::Visitor, Self::Admin(id), Self::Operator].into_iter().find(|actor| actor.as_str() == word)
    }
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditEventKind {
    /// An account was made.
    SignedUp,
    /// Somebody began a sign-up whose address is to be confirmed first. Whether the address has an account is not known.
    SignUpRequested,
    /// The owner of an address said that a sign-up with it was not theirs.
    SignUpDeclined,
    /// A session began with the right password.
    LoggedIn,
    /// A wrong password, or an address that nobody has.
    LogInFailed,
    /// A session was ended by its holder.
    LoggedOut,
    /// An old refresh secret was shown, and the session ended: somebody has a copy of the cookie.
    RefreshReused,
    /// The mail that asks to confirm the address was asked for once more.
    ConfirmationRequested,
    /// The address was confirmed.
    EmailConfirmed,
    /// Somebody asked for a link to reset a password; with an address that nobody has, there is no user.
    PasswordResetRequested,
    /// The password was reset with such a link, and every session ended.
    PasswordReset,
    /// The password was changed by who knew the one before, and every other session ended.
    PasswordChanged,
    /// Somebody logged in gave a wrong password for a change that asks for it.
    PasswordCheckFailed,
    /// Somebody logged in asked for another address.
    EmailChangeRequested,
    /// Somebody logged in cancelled a change of the address that was begun.
    EmailChangeCancelled,
    /// Another address took the place of the one before.
    EmailChanged,
    /// The name was changed.
    NameChanged,
    /// One session was ended from the list of sessions.
    SessionEnded,
    /// All sessions but the asking one were ended.
    OtherSessionsEnded,
    /// All that is held about the user was given out to them.
    AccountExported,
    /// An account was removed. Its id is kept, and nothing that says whose it was.
    AccountDeleted,
    /// An operator made a link that confirms the address or resets the password.
    LinkHandedOut,
    /// A link was made by which somebody may sign up.
    InvitationMade,
    /// Such a link was ended before it was used.
    InvitationRevoked,
    /// Somebody logged in gave their password once more, for what asks for it.
    PasswordConfirmed,
    /// An account was made for somebody.
    UserAdded,
    /// Somebody has another role now.
    RoleChanged,
    /// An account was disabled, and its sessions ended.
    UserDisabled,
    /// A disabled account may be used again.
    UserEnabled,
    /// All sessions of a user were ended.
    AllSessionsEnded,
    /// A mail that had failed is tried again.
    MailRetried,
    /// The key that signs access tokens was given a successor.
    KeysRotated,
    /// A key for a program was made.
    ServiceKeyMade,
    /// Such a key was ended.
    ServiceKeyRevoked,
    /// A backup took the place of all that was in the database, and all sessions and links ended.
    BackupRestored,
}

impl AuditEventKind {
    /// All kinds, for those who list or store them.
    pub const ALL: [Self; 35] = [
        Self::SignedUp,
        Self::SignUpRequested,
        Self::SignUpDeclined,
        Self::LoggedIn,
        Self::LogInFailed,
        Self::LoggedOut,
        Self::RefreshReused,
        Self::ConfirmationRequested,
        Self::EmailConfirmed,
        Self::PasswordResetRequested,
        Self::PasswordReset,
        Self::PasswordChanged,
        Self::PasswordCheckFailed,
        Self::EmailChangeRequested,
        Self::EmailChangeCancelled,
        Self::EmailChanged,
        Self::NameChanged,
        Self::SessionEnded,
        Self::OtherSessionsEnded,
        Self::AccountExported,
        Self::AccountDeleted,
        Self::LinkHandedOut,
        Self::InvitationMade,
        Self::InvitationRevoked,
        Self::PasswordConfirmed,
        Self::UserAdded,
        Self::RoleChanged,
        Self::UserDisabled,
        Self::UserEnabled,
        Self::AllSessionsEnded,
        Self::MailRetried,
        Self::KeysRotated,
        Self::ServiceKeyMade,
        Self::ServiceKeyRevoked,
        Self::BackupRestored,
    ];

    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedUp => "signed_up",
            Self::SignUpRequested => "sign_up_requested",
            Self::SignUpDeclined => "sign_up_declined",
            Self::LoggedIn => "logged_in",
            Self::LogInFailed => "log_in_failed",
            Self::LoggedOut => "logged_out",
            Self::RefreshReused => "refresh_reused",
            Self::ConfirmationRequested => "confirmation_requested",
            Self::EmailConfirmed => "email_confirmed",
            Self::PasswordResetRequested => "password_reset_requested",
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::PasswordCheckFailed => "password_check_failed",
            Self::EmailChangeRequested => "email_change_requested",
            Self::EmailChangeCancelled => "email_change_cancelled",
            Self::EmailChanged => "email_changed",
            Self::NameChanged => "name_changed",
            Self::SessionEnded => "session_ended",
            Self::OtherSessionsEnded => "other_sessions_ended",
            Self::AccountExported => "account_exported",
            Self::AccountDeleted => "account_deleted",
            Self::LinkHandedOut => "link_handed_out",
            Self::InvitationMade => "invitation_made",
            Self::InvitationRevoked => "invitation_revoked",
            Self::PasswordConfirmed => "password_confirmed",
            Self::UserAdded => "user_added",
            Self::RoleChanged => "role_changed",
            Self::UserDisabled => "user_disabled",
            Self::UserEnabled => "user_enabled",
            Self::AllSessionsEnded => "all_sessions_ended",
            Self::MailRetried => "mail_retried",
            Self::KeysRotated => "keys_rotated",
            Self::ServiceKeyMade => "service_key_made",
            Self::ServiceKeyRevoked => "service_key_revoked",
            Self::BackupRestored => "backup_restored",
        }
    }

    /// Reads the stable word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
