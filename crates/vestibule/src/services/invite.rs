use time::Duration;

use super::{Administrator, PageOf, UnknownRole};
use crate::Accounts;
use crate::models::invalid_input::take;
use crate::models::{
    AuditEventKind, EmailAddress, InvalidInput, Invitation, InvitationId, MailedLink, OneTimeToken, Role,
};
use crate::repository::StoreError;

/// A link that lies about for longer is better made anew.
const LONGEST: Duration = Duration::days(90);
const SHORTEST: Duration = Duration::minutes(1);

/// Somebody who shall be able to sign up.
#[derive(Clone, Copy)]
pub struct Invite<'a> {
    /// The one address that may sign up with it; none where any may.
    pub email: Option<&'a str>,
    /// The role that they will have.
    pub role: &'a Role,
    /// How long the link is good.
    pub lifetime: Duration,
}

/// Why there is no invitation.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// Something has to be typed again.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The site has no such role.
    #[error(transparent)]
    Role(#[from] UnknownRole),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an invitation was not ended.
#[derive(Debug, thiserror::Error)]
pub enum RevokeInvitationError {
    /// There is none: it was used, is over, or never was.
    #[error("there is no such invitation any more")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Makes a link by which one person may sign up, to be handed to them. It is nowhere but in the answer.
    pub async fn invite(
        &self,
        new: Invite<'_>,
        by: &Administrator,
    ) -> Result<(Invitation, MailedLink), InviteError> {
        self.require_known_role(new.role)?;
        let mut invalid = Vec::new();
        let email = match new.email.map(str::trim).filter(|email| !email.is_empty()) {
            Some(email) => take("email", EmailAddress::parse(email), &mut invalid),
            None => None,
        };
        if let Some(invalid) = InvalidInput::unless_empty(invalid) {
            return Err(invalid.into());
        }
        if !(SHORTEST..=LONGEST).contains(&new.lifetime) {
            let message = "An invitation is good for a minute at least and for 90 days at most.";
            return Err(InvalidInput::one("expires", "out_of_range", message).into());
        }

        let now = self.clock.now();
        let token = OneTimeToken::generate(&*self.random);
        let invitation = Invitation {
            id: InvitationId::new(now, &*self.random),
            hash: token.hash(),
            email,
            role: new.role.clone(),
            created_at: now,
            expires_at: now + new.lifetime,
        };
        let detail = format!("{}, {}", new.role, told_of(invitation.id));
        let event = self.event_by(by, AuditEventKind::InvitationMade, None, detail, now);
        let mut work = self.store.begin().await?;
        work.insert_invitation(&invitation).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        let url = self.policy.public_url.link(&format!("/sign-up?invite={}", *token.encode()));
        Ok((invitation, MailedLink::new(url, new.lifetime)))
    }

    /// The invitations that can be used, newest first, or those made before one.
    pub async fn list_invitations(
        &self,
        below: Option<InvitationId>,
        limit: u32,
    ) -> Result<PageOf<Invitation>, StoreError> {
        let now = self.clock.now();
        let invitations = self.store.alone().list_invitations(now, below, limit.saturating_add(1)).await?;
        Ok(PageOf::cut(invitations, limit))
    }

    /// Ends an invitation before it is used.
    pub async fn revoke_invitation(
        &self,
        id: InvitationId,
        by: &Administrator,
    ) -> Result<(), RevokeInvitationError> {
        let event = self.event_by(by, AuditEventKind::InvitationRevoked, None, told_of(id), self.clock.now());
        let mut work = self.store.begin().await?;
        if !work.delete_invitation(id).await? {
            return Err(RevokeInvitationError::NotFound);
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(())
    }
}

/// How the trail names an invitation: the same where it is made, used and taken back, so that it tells who let somebody in.
pub(super) fn told_of(id: InvitationId) -> String {
    format!("invitation {id}")
}
