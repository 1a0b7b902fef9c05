use super::Administrator;
use crate::Accounts;
use crate::models::{
    AuditEventKind, Client, EmailAddress, MailKind, MailedLink, TooManyAttempts, User, UserId,
};
use crate::repository::StoreError;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Confirms the address.
    Confirm,
    /// Resets the password.
    Reset,
}

impl LinkPurpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Reset => "reset",
        }
    }
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum HandOutLinkError {
    /// Nobody has the address.
    #[error("there is no user with this address")]
    NoUser,
    /// There is nothing to confirm.
    #[error("the address is confirmed already")]
    AlreadyConfirmed,
    /// The user is disabled.
    #[error("the user is disabled")]
    Disabled,
    /// As many as may be were sent to them, whoever asked.
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Makes a link as a mail would carry it, for an operator to hand to a person. It ends the links before it.
    pub async fn hand_out_link(
        &self,
        email: &EmailAddress,
        purpose: LinkPurpose,
        by: &Administrator,
    ) -> Result<MailedLink, HandOutLinkError> {
        let found = self.store.alone().find_credentials_by_email(email, None).await?;
        let user: User = found.ok_or(HandOutLinkError::NoUser)?.credentials.user;
        if user.is_disabled {
            return Err(HandOutLinkError::Disabled);
        }
        let now = self.clock.now();
        let link = match purpose {
            LinkPurpose::Confirm if user.is_email_verified => return Err(HandOutLinkError::AlreadyConfirmed),
            LinkPurpose::Confirm => self.mint_confirm_link(&user, email, false, None).await?,
            LinkPurpose::Reset => self.mint_reset_link(&user, email, None).await?,
        };
        // The user was confirmed or disabled or got another address in this moment.
        let link = link.ok_or(HandOutLinkError::NoUser)?;
        let event = self.event_by(by, AuditEventKind::LinkHandedOut, Some(user.id), purpose.as_str(), now);
        self.store.alone().insert_audit_event(&event).await?;
        Ok(link)
    }

    /// Has a mail sent to a user with a link to choose a new password, as if they had asked for it themselves.
    pub async fn send_reset_link(&self, user: UserId, by: &Administrator) -> Result<(), HandOutLinkError> {
        let found = self.store.alone().find_credentials(user).await?;
        let user = found.ok_or(HandOutLinkError::NoUser)?.user;
        if user.is_disabled {
            return Err(HandOutLinkError::Disabled);
        }
        // Also for an admin, or for who has an admin's session: nobody's mailbox is to be filled from here.
        let _ = self
            .take::<HandOutLinkError>(|limits| limits.for_reset(&user.email, self.policy.reset_ttl))
            .await?;
        let now = self.clock.now();
        let event = self.event_by(by, AuditEventKind::PasswordResetRequested, Some(user.id), "", now);
        // Without the administrator's own address: the mail says from where it was asked for, and that is not theirs to
        // know.
        let mail = self.mail_about(&user, MailKind::ResetPassword, &Client::default(), now);
        let mut work = self.store.begin().await?;
        work.insert_outgoing_mail(&mail).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(())
    }
}
