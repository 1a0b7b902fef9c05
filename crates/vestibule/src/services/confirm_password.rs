use super::{CurrentPasswordError, CurrentSession, LoggedIn, ShownBy};
use crate::Accounts;
use crate::models::{AuditEventKind, Client, SessionEnded, User};
use crate::repository::{NewSession, StoreError};

/// Why the password was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmPasswordError {
    /// It was not right.
    #[error(transparent)]
    CurrentPassword(#[from] CurrentPasswordError),
    /// The session was ended in this moment.
    #[error(transparent)]
    SessionEnded(#[from] SessionEnded),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Takes the password of who is logged in once more, before what asks for a recent one. A stranger at an open
    /// computer, or with a copied cookie, stops here.
    ///
    /// A browser gets a new session for its old one: whoever had copied the cookies before has nothing of what the password
    /// opens now (session fixation). A program that showed an access token keeps its session, for it has no cookies that could
    /// be replaced; nothing is given back then.
    pub async fn confirm_password(
        &self,
        current: &CurrentSession,
        password: &str,
        client: &Client,
    ) -> Result<Option<LoggedIn>, ConfirmPasswordError> {
        let user = &current.user;
        let proof = self.verify_current_password(user, password, &current.devices(), client).await?;
        let now = self.clock.now();
        let (session, token) = self.new_session(user, client, now);
        let event = self.event(AuditEventKind::PasswordConfirmed, Some(user.id), client, now);
        let mut work = self.store.begin().await?;
        let gets_new_cookies = matches!(current.shown_by, ShownBy::Cookies);
        let is_alive = if gets_new_cookies {
            // First the user's row and then the session's, as everywhere: else a reset at the same moment could be the one that the
            // database ends to undo a deadlock.
            work.insert_session(NewSession { session: &session, password_hash: proof.hash() }).await?
                && work.delete_session(current.session.id_hash).await?
        } else {
            work.note_password_given(current.session.id_hash, now).await?
        };
        if !is_alive {
            return Err(SessionEnded::Revoked.into());
        }
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Ok(gets_new_cookies.then(|| self.logged_in(User::clone(user), session, &token, now)))
    }
}
