use time::OffsetDateTime;

use super::{EmailAddress, InvitesToSignUp, OneTimeTokenHash, Role, id};

id! {
    /// Names an invitation.
    InvitationId
}

/// A link by which one person may sign up where sign-up is by invitation. It is good once.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Ordered by time.
    pub id: InvitationId,
    /// What the link carries, hashed.
    pub hash: OneTimeTokenHash<InvitesToSignUp>,
    /// The one address that may sign up with it; none where any may.
    pub email: Option<EmailAddress>,
    /// The role that comes with it.
    pub role: Role,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when it is no good.
    pub expires_at: OffsetDateTime,
}

impl Invitation {
    /// Whether somebody with this address may sign up with it.
    pub fn is_for(&self, email: &EmailAddress) -> bool {
        self.email.as_ref().is_none_or(|invited| invited == email)
    }
}
