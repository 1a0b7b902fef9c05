use std::sync::Arc;

use time::OffsetDateTime;

use super::{LoggedIn, PresentedSession};
use crate::Accounts;
use crate::models::{
    AuditEventKind, Client, MailKind, RefreshToken, Session, SessionEnded, SessionIdHash, User,
};
use crate::repository::{Rotation, SessionAndUser, StoreError};

/// Reading and rotating are two statements. What came between them is read once more: the session ended, the secret grew
/// stale, or a server whose secrets are in another order was faster with another successor. A third reading says which of
/// the first two came after that.
const READINGS: usize = 3;

/// Why a session is not refreshed.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// No authentic refresh cookie was shown.
    #[error("log in to go on")]
    NotLoggedIn,
    /// The session is over.
    #[error(transparent)]
    SessionEnded(#[from] SessionEnded),
    /// An old secret was shown: somebody has a copy of the cookie. The session is over.
    #[error("an old refresh secret was used again, so the session was ended")]
    Reused,
    /// The CSRF token is missing or wrong.
    #[error("the CSRF token is missing or wrong")]
    CsrfFailed,
    /// The user is disabled.
    #[error("this account may not do that")]
    Forbidden,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Gives the session its next secret and a new access token, and moves its expiry forward, though never past
    /// its absolute end.
    ///
    /// Refreshes with the same secret, at once or one after a lost answer, get the same successor. The secret
    /// before the current one is honoured until the current one is first used and 10 s beyond that. An older one
    /// ends the session, is audited, and told by mail.
    pub async fn refresh(
        &self,
        presented: &PresentedSession<'_>,
        client: &Client,
    ) -> Result<LoggedIn, RefreshError> {
        let tokens = self.authentic_refresh_tokens(presented);
        let mut refusal = RefreshError::NotLoggedIn;
        for session in distinct_sessions(&tokens) {
            let tokens: Vec<_> = tokens.iter().filter(|token| token.session.hash() == session).collect();
            match self.refresh_session(session, &tokens, presented, client).await {
                // Perhaps another cookie of the same name fits. A wrong CSRF token too may only say that this
                // session is a stranger's, planted before the person's own.
                Err(
                    error @ (RefreshError::SessionEnded(_) | RefreshError::Reused | RefreshError::CsrfFailed),
                ) => refusal = error,
                answer => return answer,
            }
        }
        Err(refusal)
    }

    async fn refresh_session(
        &self,
        id: SessionIdHash,
        tokens: &[&RefreshToken],
        presented: &PresentedSession<'_>,
        client: &Client,
    ) -> Result<LoggedIn, RefreshError> {
        if let Some(refreshed) = self.refresh_at_once(id, tokens, presented).await? {
            return Ok(refreshed);
        }
        for _ in 0..READINGS {
            let now = self.clock.now();
            let received_at = presented.received_at(now);
            let found = self.store.alone().find_session_with_user(id).await?;
            let SessionAndUser { session, user } = found.ok_or(SessionEnded::Revoked)?;
            session.check_usable(now)?;
            let Some(token) = tokens.iter().find(|token| session.honours(&token.secret.hash(), received_at))
            else {
                return self.end_replayed_session(&session, &user, tokens, client, now).await;
            };
            if !session.accepts_csrf(&presented.csrf_cookies, presented.csrf) {
                return Err(RefreshError::CsrfFailed);
            }
            if user.is_disabled {
                return Err(RefreshError::Forbidden);
            }

            let is_current = session.secret_hash.matches(&token.secret.hash());
            let next = if is_current {
                token.successor(&self.keys)
            } else {
                // It is the one before the current one, and the current one is what it must lead to.
                let in_place = token.successor_with(&session.secret_hash, &self.keys);
                in_place.ok_or(RefreshError::NotLoggedIn)?
            };
            let rotation = Rotation {
                session: id,
                shown: token.secret.hash(),
                next: next.secret.hash(),
                now,
                grace_start: Session::grace_start(received_at),
                expires_at: self.policy.session.next_expiry(now, session.absolute_expires_at),
            };
            if let Some(rotated) = self.store.alone().rotate_secret(rotation).await? {
                return Ok(self.logged_in(Arc::unwrap_or_clone(user), rotated, &next, now));
            }
        }
        Err(RefreshError::NotLoggedIn)
    }

    /// Nearly every refresh: one cookie of each name, the current secret, and nothing wrong. It is decided without being read first.
    async fn refresh_at_once(
        &self,
        id: SessionIdHash,
        tokens: &[&RefreshToken],
        presented: &PresentedSession<'_>,
    ) -> Result<Option<LoggedIn>, RefreshError> {
        let ([token], Some(csrf_token)) = (tokens, presented.agreed_csrf_token()) else { return Ok(None) };
        let now = self.clock.now();
        let next = token.successor(&self.keys);
        let rotation = Rotation {
            session: id,
            shown: token.secret.hash(),
            next: next.secret.hash(),
            now,
            grace_start: Session::grace_start(presented.received_at(now)),
            expires_at: now + self.policy.session.idle,
        };
        let rotated = self.store.alone().rotate_current_secret(rotation, csrf_token).await?;
        Ok(rotated.map(|SessionAndUser { session, user }| {
            self.logged_in(Arc::unwrap_or_clone(user), Arc::unwrap_or_clone(session), &next, now)
        }))
    }

    async fn end_replayed_session(
        &self,
        session: &Session,
        user: &User,
        tokens: &[&RefreshToken],
        client: &Client,
        now: OffsetDateTime,
    ) -> Result<LoggedIn, RefreshError> {
        let shown = tokens.first().ok_or(RefreshError::NotLoggedIn)?.secret.hash();
        let mail = self.mail_about(user, MailKind::RefreshReused, client, now);
        let event = self.event(AuditEventKind::RefreshReused, Some(user.id), client, now);

        let mut work = self.store.begin().await?;
        if !work.revoke_replayed_session(session.id_hash, &shown, Session::grace_start(now)).await? {
            // Another request with the same old secret was faster, and it has told.
            return Err(SessionEnded::Revoked.into());
        }
        work.insert_outgoing_mail(&mail).await?;
        work.insert_audit_event(&event).await?;
        work.commit().await?;
        Err(RefreshError::Reused)
    }
}

fn distinct_sessions(tokens: &[RefreshToken]) -> Vec<SessionIdHash> {
    let mut sessions = Vec::new();
    for token in tokens {
        let session = token.session.hash();
        if !sessions.contains(&session) {
            sessions.push(session);
        }
    }
    sessions
}
