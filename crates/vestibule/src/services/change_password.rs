use super::{CurrentPasswordError, CurrentSession, LoggedIn, ShownBy};
use crate::Accounts;
use crate::models::{AuditEventKind, Client, InvalidInput, MailKind, User};
use crate::ports::{HasherError, Standing};
use crate::repository::{NewSession, StoreError};

/// What somebody typed who wants another password.
#[derive(Clone, Copy)]
pub struct ChangePassword<'a> {
    /// The present one.
    pub current_password: &'a str,
    /// The one that they choose.
    pub new_password: &'a str,
}

/// Why the password is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// Something has to be typed again.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The present password was not right.
    #[error(transparent)]
    CurrentPassword(#[from] CurrentPasswordError),
    /// No room to hash the password, or it failed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Puts another password in the place of the present one, ends every other session and every link that is under
    /// way or still waits to be mailed, and tells the owner by mail.
    ///
    /// A browser gets a new session for its old one: new id, new secrets, new CSRF token. Whoever had copied them has
    /// nothing (session fixation). A program that showed an access token keeps its session, for it has no cookies
    /// that could be replaced; nothing is given back then.
    pub async fn change_password(
        &self,
        current: &CurrentSession,
        typed: ChangePassword<'_>,
        client: &Client,
    ) -> Result<Option<LoggedIn>, ChangePasswordError> {
        let user = &current.user;
        let proof =
            self.verify_current_password(user, typed.current_password, &current.devices(), client).await?;
        let new =
            self.parse_new_password::<ChangePasswordError>("new_password", typed.new_password, user).await?;
        let hash = self.hasher.hash(new.into_password(), Standing::Known(user.id.as_uuid())).await?;

        let now = self.clock.now();
        let event = self.event(AuditEventKind::PasswordChanged, Some(user.id), client, now);
        let mail = self.mail_about(user, MailKind::PasswordChanged, client, now);
        let (session, token) = self.new_session(user, client, now);
        let kept = match current.shown_by {
            ShownBy::Cookies => None,
            ShownBy::AccessToken => Some(current.session.id_hash),
        };

        let mut work = self.store.begin().await?;
        if !work.replace_password_hash(user.id, proof.hash(), &hash, now).await? {
            // Somebody else changed it since it was verified: the verified one is not the present one any more.
            return Err(CurrentPasswordError::Wrong.into());
        }
        work.delete_sessions_of(user.id, kept).await?;
        work.end_reset_tokens(user.id).await?;
        work.end_email_tokens(user.id).await?;
        self.end_waiting_links(&mut *work, user, None, "the password was changed", now).await?;
        if kept.is_none() {
            work.insert_session(NewSession { session: &session, password_hash: &hash }).await?;
        }
        work.insert_outgoing_mail(&mail).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(kept.is_none().then(|| self.logged_in(User::clone(user), session, &token, now)))
    }
}
