use std::fmt;

use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::current_session::MAX_COOKIES_OF_ONE_NAME;
use crate::Accounts;
use crate::models::{AccessClaims, Client, CsrfToken, Device, PublicSessionId, RefreshToken, Session, User};

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

/// The values of a session that go to the browser, and nowhere else.
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
    /// The text of the device cookie, after a log-in or a sign-up.
    pub device: Option<String>,
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
            password_given_at: now,
            last_seen_at: now,
            expires_at: self.policy.session.next_expiry(now, absolute_expires_at),
            absolute_expires_at,
            client: client.clone(),
        };
        (session, token)
    }

    /// The browser that somebody logs in with: the first of the cookies that this server made, or a new one.
    pub(super) fn device_of(&self, cookies: &[&str]) -> Device {
        self.known_device_of(cookies).unwrap_or_else(|| Device::generate(&*self.random))
    }

    /// The first of the cookies that this server made.
    pub(super) fn known_device_of(&self, cookies: &[&str]) -> Option<Device> {
        let few = cookies.iter().take(MAX_COOKIES_OF_ONE_NAME);
        few.into_iter().find_map(|cookie| Device::from_cookie(cookie, &self.keys))
    }

    /// What the browser is given at a log-in or a sign-up: the session and its own name.
    pub(super) fn logged_in_with(
        &self,
        user: User,
        session: Session,
        token: &RefreshToken,
        device: &Device,
        now: OffsetDateTime,
    ) -> LoggedIn {
        let mut logged_in = self.logged_in(user, session, token, now);
        logged_in.tokens.device = Some(device.to_cookie(&self.keys));
        logged_in
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
            access: self.live_keys.ring().sign(&claims, self.random.uuid_v7(now)),
            access_expires_at: claims.expires_at,
            refresh: token.to_cookie(&self.keys),
            csrf: session.csrf_token.clone(),
            device: None,
        };
        LoggedIn { user, session, tokens }
    }
}
