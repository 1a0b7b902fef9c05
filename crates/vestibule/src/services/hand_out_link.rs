use crate::Accounts;
use crate::models::{AuditEventKind, Client, EmailAddress, MailedLink, User};
use crate::repository::StoreError;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Confirms the address.
    Confirm,
    /// Resets the password.
    Reset,
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
    ) -> Result<MailedLink, HandOutLinkError> {
        let found = self.store.alone().find_credentials_by_email(email, None).await?;
        let user: User = found.ok_or(HandOutLinkError::NoUser)?.credentials.user;
        if user.is_disabled {
            return Err(HandOutLinkError::Disabled);
        }
        let now = self.clock.now();
        let link = match purpose {
            LinkPurpose::Confirm if user.is_email_verified => return Err(HandOutLinkError::AlreadyConfirmed),
            LinkPurpose::Confirm => self.mint_confirm_link(&user, email, false, now).await?,
            LinkPurpose::Reset => self.mint_reset_link(&user, now).await?,
        };
        // The user was confirmed or disabled in this moment.
        let link = link.ok_or(HandOutLinkError::NoUser)?;
        self.record(AuditEventKind::LinkHandedOut, Some(user.id), &Client::default()).await?;
        Ok(link)
    }
}
