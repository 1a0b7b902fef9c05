use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;

use super::administrator::PASSWORD_IS_RECENT;
use crate::Accounts;
use crate::models::{
    AccessClaims, CsrfProof, RefreshToken, Role, SecretStanding, Session, SessionEnded, SessionIdHash, User,
};
use crate::repository::{SessionAndUser, StoreError};
use crate::session_cache::{AskedAt, TokenDigest};

/// A browser may send several cookies of one name, and a stranger may have planted some. One that fits is looked
/// for among the first few of each; more are nobody's honest doing.
pub(super) const MAX_COOKIES_OF_ONE_NAME: usize = 4;

/// What a browser showed: all values that came under each cookie's name, and the proof that a page of ours asks.
#[derive(Clone)]
pub struct PresentedSession<'a> {
    /// Access tokens.
    pub access: Vec<&'a str>,
    /// Refresh cookies.
    pub refresh: Vec<&'a str>,
    /// CSRF cookies.
    pub csrf_cookies: Vec<&'a str>,
    /// The CSRF token that came in the header or the form.
    pub csrf: CsrfProof<'a>,
    /// Device cookies. They decide nothing about the session.
    pub devices: Vec<&'a str>,
    /// When the request began to arrive, where that is longer ago than now. The grace of a previous secret counts to
    /// this moment: a large form on a slow line is no replay.
    pub received_at: Option<OffsetDateTime>,
}

impl PresentedSession<'_> {
    pub(super) fn received_at(&self, now: OffsetDateTime) -> OffsetDateTime {
        self.received_at.unwrap_or(now).min(now)
    }

    /// The CSRF token, where there is one cookie of it and whatever else shows it shows the same.
    pub(super) fn agreed_csrf_token(&self) -> Option<&str> {
        let [cookie] = self.csrf_cookies[..] else { return None };
        let is_agreed = match self.csrf {
            CsrfProof::NotNeeded => true,
            CsrfProof::Sent(sent) => sent.is_some_and(|sent| cookie.as_bytes().ct_eq(sent.as_bytes()).into()),
        };
        is_agreed.then_some(cookie)
    }
}

impl fmt::Debug for PresentedSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedSession(…)")
    }
}

/// Who is asking.
#[derive(Debug, Clone)]
pub struct CurrentSession {
    /// The user.
    pub user: Arc<User>,
    /// Their session.
    pub session: Arc<Session>,
    /// The browser has lost the CSRF cookie and should be given it again.
    pub is_csrf_cookie_missing: bool,
    /// How they showed it.
    pub shown_by: ShownBy,
    /// Device cookies, as they were sent: a browser that is known has a quota of its own for passwords that it tries.
    pub devices: Vec<String>,
}

impl CurrentSession {
    pub(super) fn devices(&self) -> Vec<&str> {
        self.devices.iter().map(String::as_str).collect()
    }
}

/// How somebody showed that the session is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownBy {
    /// With cookies, as browsers do.
    Cookies,
    /// With an access token in a header, as other programs do.
    AccessToken,
}

/// What a route asks of who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The role.
    pub role: Role,
    /// Whether their address must be confirmed, where the owner of the site wants that at all.
    pub confirmed_email: bool,
    /// Whether they must have given their password within the last ten minutes.
    pub recent_password: bool,
}

impl Asked {
    /// The role, and the confirmed address that the owner of the site may want.
    pub fn role(role: Role) -> Self {
        Self { role, confirmed_email: true, recent_password: false }
    }

    /// The same, and a password that was given within the last ten minutes: for what a copied cookie or an open computer
    /// must not be enough for.
    pub fn recently(role: Role) -> Self {
        Self { recent_password: true, ..Self::role(role) }
    }

    /// Only to be logged in: for what somebody does with the account itself, to confirm or to mend its address.
    pub const ACCOUNT: Self = Self { role: Role::User, confirmed_email: false, recent_password: false };
}

/// Why a request is not answered.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Nothing was shown, or nothing that fits together.
    #[error("log in to go on")]
    NotLoggedIn,
    /// The access token is missing or over while there is an authentic refresh cookie: a refresh may help.
    #[error("the access token has expired, refresh the session")]
    AccessTokenExpired,
    /// The session is over.
    #[error(transparent)]
    SessionEnded(#[from] SessionEnded),
    /// The CSRF token is missing or wrong.
    #[error("the CSRF token is missing or wrong")]
    CsrfFailed,
    /// The user is disabled or has not the role.
    #[error("this account may not do that")]
    Forbidden,
    /// The user has not confirmed their address, and the site wants that.
    #[error("confirm your email address to go on")]
    EmailNotVerified,
    /// The password was given too long ago for this.
    #[error("give your password once more to go on")]
    PasswordNotRecent,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An access token that was verified.
struct Access {
    token: TokenDigest,
    claims: AccessClaims,
    /// Before the key was looked for that verified it, and before the session is read.
    asked_at: Option<AskedAt>,
}

impl Accounts {
    /// The check on every protected route, for browsers. In this order, and the first failure answers: the access
    /// token is ours; its session is alive; the refresh cookie is of that session and its secret honoured; the
    /// CSRF token is the session's; the user is not disabled and has what the route asks for.
    ///
    /// No statement where the session was read a moment ago (see [`SessionCache`](crate::SessionCache)); else one, and a second
    /// the first time that a new refresh secret is shown.
    pub async fn check_session(
        &self,
        presented: &PresentedSession<'_>,
        asked: Asked,
    ) -> Result<CurrentSession, CheckError> {
        let now = self.clock.now();
        let refresh_tokens = self.authentic_refresh_tokens(presented);
        let mut refusal = None;
        for cookie in presented.access.iter().take(MAX_COOKIES_OF_ONE_NAME) {
            let token = TokenDigest::of(cookie);
            if let Some(current) = self.check_remembered(&token, &refresh_tokens, presented, &asked, now) {
                return Ok(current);
            }
            // In a box, for most checks come no further than this, and carry what follows along.
            let read = Box::pin(self.check_read(cookie, token, &refresh_tokens, presented, &asked, now));
            match read.await {
                // Perhaps another pair of cookies fits. A wrong CSRF token too may only say that this pair is a
                // stranger's, planted before the person's own.
                Some(Err(
                    error @ (CheckError::NotLoggedIn | CheckError::SessionEnded(_) | CheckError::CsrfFailed),
                )) => refusal = Some(error),
                Some(answer) => return answer,
                None => {}
            }
        }
        Err(refusal.unwrap_or_else(|| {
            let may_refresh = !refresh_tokens.is_empty();
            if may_refresh { CheckError::AccessTokenExpired } else { CheckError::NotLoggedIn }
        }))
    }

    /// The same check for other programs, which show an access token in a header that no browser sends by itself:
    /// there is no refresh cookie to fit and no forged request to fear.
    pub async fn check_bearer(&self, access_token: &str, asked: Asked) -> Result<CurrentSession, CheckError> {
        let now = self.clock.now();
        let token = TokenDigest::of(access_token);
        if let Some(remembered) = self.session_cache.find(&token, now)
            && let Ok(current) = self.check_bearer_of(remembered.found.clone(), &asked, now)
        {
            return Ok(current);
        }
        Box::pin(self.check_bearer_read(access_token, token, &asked, now)).await
    }

    async fn check_bearer_read(
        &self,
        access_token: &str,
        token: TokenDigest,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Result<CurrentSession, CheckError> {
        let asked_at = self.session_cache.ask();
        let claims = self.verify_access_token(access_token, now).await?.ok_or(CheckError::NotLoggedIn)?;
        let found = self.live_session_of(&Access { token, claims, asked_at }, now).await?;
        self.check_bearer_of(found, asked, now)
    }

    fn check_bearer_of(
        &self,
        found: SessionAndUser,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Result<CurrentSession, CheckError> {
        let SessionAndUser { session, user } = found;
        session.check_usable(now)?;
        self.check_allowed(&user, &session, asked)?;
        self.note_seen(&session, now);
        let shown_by = ShownBy::AccessToken;
        Ok(CurrentSession { user, session, is_csrf_cookie_missing: false, shown_by, devices: Vec::new() })
    }

    /// The last part of the check: what the user may do at this moment. For a session that was just refreshed it is all that is left.
    pub fn check_allowed(&self, user: &User, session: &Session, asked: &Asked) -> Result<(), CheckError> {
        if user.is_disabled || !user.role.includes(&asked.role) {
            return Err(CheckError::Forbidden);
        }
        if asked.confirmed_email && self.policy.require_confirmed_email && !user.is_email_verified {
            return Err(CheckError::EmailNotVerified);
        }
        if asked.recent_password && self.clock.now() - session.password_given_at > PASSWORD_IS_RECENT {
            return Err(CheckError::PasswordNotRecent);
        }
        Ok(())
    }

    /// The check by what is remembered, for one that passes: a refusal is never taken from there.
    fn check_remembered(
        &self,
        token: &TokenDigest,
        refresh_tokens: &[RefreshToken],
        presented: &PresentedSession<'_>,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Option<CurrentSession> {
        let remembered = self.session_cache.find(token, now)?;
        let shown = self.check_shown(&remembered.found, refresh_tokens, presented, asked, now).ok()?;
        // The first use of a secret is written down, so it is no matter of reading alone.
        let is_first_use = remembered.found.session.is_first_use_of(&shown.secret.hash());
        (!is_first_use).then(|| self.passed(remembered.found.clone(), presented, now))
    }

    /// The check by what the store has. None where the token is not good.
    async fn check_read(
        &self,
        access_token: &str,
        token: TokenDigest,
        refresh_tokens: &[RefreshToken],
        presented: &PresentedSession<'_>,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Option<Result<CurrentSession, CheckError>> {
        let asked_at = self.session_cache.ask();
        let claims = match self.verify_access_token(access_token, now).await {
            Ok(claims) => claims?,
            Err(error) => return Some(Err(error.into())),
        };
        let access = Access { token, claims, asked_at };
        Some(self.check_pair(&access, refresh_tokens, presented, asked, now).await)
    }

    async fn check_pair(
        &self,
        access: &Access,
        refresh_tokens: &[RefreshToken],
        presented: &PresentedSession<'_>,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Result<CurrentSession, CheckError> {
        let found = self.live_session_of(access, now).await?;
        let token = self.check_shown(&found, refresh_tokens, presented, asked, now)?;
        let secret = token.secret.hash();
        if found.session.is_first_use_of(&secret) {
            self.store.alone().mark_secret_used(found.session.id_hash, &secret, now).await?;
        }
        Ok(self.passed(found, presented, now))
    }

    /// Whether a session that was read is usable, and what was shown with it fits. Gives the refresh token that does.
    fn check_shown<'t>(
        &self,
        found: &SessionAndUser,
        refresh_tokens: &'t [RefreshToken],
        presented: &PresentedSession<'_>,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Result<&'t RefreshToken, CheckError> {
        let SessionAndUser { session, user } = found;
        session.check_usable(now)?;
        let of_this_session: Vec<&RefreshToken> = tokens_of(session.id_hash, refresh_tokens);
        let Some(token) = honoured_among(&of_this_session, session, presented.received_at(now)) else {
            // A stale secret is refused here and no more. The request may have been under way for long, and
            // ending its session would log out somebody honest; who holds a stolen one has to refresh to go on,
            // and that ends the session.
            return Err(CheckError::NotLoggedIn);
        };
        if !session.accepts_csrf(&presented.csrf_cookies, presented.csrf) {
            return Err(CheckError::CsrfFailed);
        }
        self.check_allowed(user, session, asked)?;
        Ok(token)
    }

    fn passed(
        &self,
        found: SessionAndUser,
        presented: &PresentedSession<'_>,
        now: OffsetDateTime,
    ) -> CurrentSession {
        let SessionAndUser { session, user } = found;
        self.note_seen(&session, now);
        let is_csrf_cookie_missing = presented.csrf_cookies.is_empty();
        let devices = presented.devices.iter().map(|&device| device.to_owned()).collect();
        CurrentSession { user, session, is_csrf_cookie_missing, shown_by: ShownBy::Cookies, devices }
    }

    /// Reads the session of an access token, and remembers it for a while.
    async fn live_session_of(
        &self,
        access: &Access,
        now: OffsetDateTime,
    ) -> Result<SessionAndUser, CheckError> {
        let Access { token, claims, asked_at } = access;
        let found = self.store.alone().find_session_with_user(claims.session).await?;
        // No row: it was logged out, or its user is gone.
        let found = found.ok_or(SessionEnded::Revoked)?;
        found.session.check_usable(now)?;
        if found.user.id != claims.user_id {
            return Err(CheckError::NotLoggedIn);
        }
        self.session_cache.remember(*token, *asked_at, *claims, &found);
        Ok(found)
    }

    pub(super) fn authentic_refresh_tokens(&self, presented: &PresentedSession<'_>) -> Vec<RefreshToken> {
        let cookies = presented.refresh.iter().take(MAX_COOKIES_OF_ONE_NAME);
        cookies.filter_map(|cookie| RefreshToken::from_cookie(cookie, &self.keys)).collect()
    }
}

pub(super) fn tokens_of(session: SessionIdHash, tokens: &[RefreshToken]) -> Vec<&RefreshToken> {
    tokens.iter().filter(|token| token.session.hash() == session).collect()
}

pub(super) fn honoured_among<'a>(
    tokens: &[&'a RefreshToken],
    session: &Session,
    now: OffsetDateTime,
) -> Option<&'a RefreshToken> {
    tokens
        .iter()
        .find(|token| session.standing_of(&token.secret.hash(), now) != SecretStanding::Stale)
        .copied()
}
