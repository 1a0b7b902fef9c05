use std::fmt;

use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::Accounts;
use crate::models::{AccessClaims, Client, CsrfToken, PublicSessionId, RefreshToken, Session, User};

/// Somebody with a session and what their browser needs to go on with it.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// Who.
    pub user: User,
    /// The session.
    pub session: Session,
    /// What the browser is given.
    pub tokens: SessionTokens,
}

/// The three values of a session that go to the browser, and nowhere else.
#[derive(Clone)]
pub struct SessionTokens {
    /// The access token, a JWT.
    pub access: String,
    /// When the access token expires.
    pub access_expires_at: OffsetDateTime,
    /// The text of the refresh cookie.
    pub refresh: Zeroizing<String>,
    /// The CSRF token.
    pub csrf: CsrfToken,
}

impl fmt::Debug for SessionTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionTokens(…)")
    }
}

impl Accounts {
    /// A session for a user, not yet stored.
    pub(super) fn new_session(
        &self,
        user: &User,
        client: &Client,
        now: OffsetDateTime,
    ) -> (Session, RefreshToken) {
        let token = RefreshToken::generate(&*self.random);
        let absolute_expires_at = now + self.policy.session.absolute;
        let session = Session {
            id_hash: token.session.hash(),
            public_id: PublicSessionId::new(now, &*self.random),
            user_id: user.id,
            secret_hash: token.secret.hash(),
            previous_secret_hash: None,
            secret_rotated_at: now,
            secret_first_used_at: None,
            csrf_token: CsrfToken::generate(&*self.random),
            is_revoked: false,
            created_at: now,
            last_seen_at: now,
            expires_at: self.policy.session.next_expiry(now, absolute_expires_at),
            absolute_expires_at,
            client: client.clone(),
        };
        (session, token)
    }

    /// What the browser is given for a session that is stored.
    pub(super) fn logged_in(
        &self,
        user: User,
        session: Session,
        token: &RefreshToken,
        now: OffsetDateTime,
    ) -> LoggedIn {
        let claims = AccessClaims {
            user_id: user.id,
            session: session.id_hash,
            issued_at: now,
            expires_at: (now + self.policy.access_ttl).min(session.expires_at),
        };
        let tokens = SessionTokens {
            access: self.key_ring.sign(&claims, self.random.uuid_v7(now)),
            access_expires_at: claims.expires_at,
            refresh: token.to_cookie(&self.keys),
            csrf: session.csrf_token.clone(),
        };
        LoggedIn { user, session, tokens }
    }
}
