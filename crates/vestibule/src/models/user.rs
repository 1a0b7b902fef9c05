use time::OffsetDateTime;

use super::{EmailAddress, PersonName, Role, id};

id! {
    /// Names a user for ever.
    UserId
}

/// Somebody with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Never changes.
    pub id: UserId,
    /// Unique among all users.
    pub email: EmailAddress,
    /// How they want to be called.
    pub name: PersonName,
    /// Whether they have shown that mail to the address reaches them.
    pub is_email_verified: bool,
    /// What they may do.
    pub role: Role,
    /// Set by an operator: a disabled user cannot log in, and no session of theirs is honoured.
    pub is_disabled: bool,
    /// When they signed up.
    pub created_at: OffsetDateTime,
    /// When anything above last changed.
    pub updated_at: OffsetDateTime,
}
