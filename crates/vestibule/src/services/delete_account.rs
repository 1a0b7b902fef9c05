use super::change_role::{LastAdmin, require_another_admin};
use super::{CurrentPasswordError, CurrentSession};
use crate::Accounts;
use crate::models::{AuditEventKind, Client, MailKind};
use crate::repository::StoreError;

/// Why the account is still there.
#[derive(Debug, thiserror::Error)]
pub enum DeleteAccountError {
    /// The password was not right.
    #[error(transparent)]
    CurrentPassword(#[from] CurrentPasswordError),
    /// Nobody would be left to look after the site.
    #[error(transparent)]
    LastAdmin(#[from] LastAdmin),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Removes the account of who is asking and everything that refers to it: sessions, links, mails that wait, what they
    /// did themselves of the audit trail, and what the application keeps in tables that refer to users.
    ///
    /// What stays, until the trail's retention ends, leads to nobody any more: that an account of this id was removed, and
    /// what admins and operators did to it or, with it, to others. Otherwise they could wipe that by removing an account.
    pub async fn delete_account(
        &self,
        current: &CurrentSession,
        current_password: &str,
        client: &Client,
    ) -> Result<(), DeleteAccountError> {
        let user = &current.user;
        let proof = self.verify_current_password(user, current_password, &current.devices(), client).await?;
        let nowhere = Client::default();
        let now = self.clock.now();
        let event = self.event(AuditEventKind::AccountDeleted, Some(user.id), &nowhere, now);

        let mut work = self.store.begin().await?;
        // Whatever their role was when the request came: while the password was compared, they may have become the last.
        require_another_admin(&mut *work, user.id).await?.map_err(DeleteAccountError::from)?;
        // While there is a user of that id.
        work.insert_audit_event(&event).await?;
        if !work.delete_user(user.id, Some(proof.hash())).await? {
            return Err(CurrentPasswordError::Wrong.into());
        }
        // Password resets that strangers may have asked for name the address and no user.
        work.delete_reset_requests_to(&user.email).await?;
        // The notices that wait go with the account: without this one, who stole the password could delete it before its owner
        // learned of them. An address that nobody confirmed may be a stranger's.
        if user.is_email_verified {
            let notice = self.mail_to(user.email.clone(), None, MailKind::AccountDeleted, client, now);
            work.insert_outgoing_mail(&notice).await?;
        }
        work.commit().await?;
        Ok(())
    }
}
