use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;

use super::administrator::PASSWORD_IS_RECENT;
use crate::Accounts;
use crate::models::{
    AccessClaims, CsrfProof, RefreshSecretHash, RefreshToken, Role, Session, SessionEnded, User,
};
use crate::repository::{SessionAndUser, StoreError};
use crate::session_cache::{AskedAt, Remembered, ShownDigest};

/// A browser may send several cookies of one name, and a stranger may have planted some. One that fits is looked
/// for among the first few of each; more are nobody's honest doing.
pub(super) const MAX_COOKIES_OF_ONE_NAME: usize = 4;

/// All values that came under the name of one cookie, in the order sent: nearly always one, which is kept in place.
#[derive(Clone)]
pub struct ShownValues<'a>(Held<'a>);

#[derive(Clone)]
enum Held<'a> {
    One([&'a str; 1]),
    NoneOrMany(Vec<&'a str>),
}

/// What a browser showed: all values that came under each cookie's name, and the proof that a page of ours asks.
#[derive(Clone)]
pub struct PresentedSession<'a> {
    /// Access tokens.
    pub access: ShownValues<'a>,
    /// Refresh cookies.
    pub refresh: ShownValues<'a>,
    /// CSRF cookies.
    pub csrf_cookies: ShownValues<'a>,
    /// The CSRF token that came in the header or the form.
    pub csrf: CsrfProof<'a>,
    /// Device cookies. They decide nothing about the session.
    pub devices: ShownValues<'a>,
    /// When the request began to arrive, where that is longer ago than now. The grace of a previous secret counts to
    /// this moment: a large form on a slow line is no replay.
    pub received_at: Option<OffsetDateTime>,
}

impl<'a> ShownValues<'a> {
    /// Adds another.
    pub fn push(&mut self, value: &'a str) {
        match &mut self.0 {
            Held::NoneOrMany(values) if values.is_empty() => self.0 = Held::One([value]),
            Held::NoneOrMany(values) => values.push(value),
            Held::One([first]) => self.0 = Held::NoneOrMany(vec![*first, value]),
        }
    }
}

impl Default for ShownValues<'_> {
    fn default() -> Self {
        Self(Held::NoneOrMany(Vec::new()))
    }
}

impl<'a> Deref for ShownValues<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &[&'a str] {
        match &self.0 {
            Held::One(value) => value,
            Held::NoneOrMany(values) => values,
        }
    }
}

impl<'a> FromIterator<&'a str> for ShownValues<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(values: I) -> Self {
        let mut all = Self::default();
        values.into_iter().for_each(|value| all.push(value));
        all
    }
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
    /// Where the answer of `GET /api/auth/session` is kept for the next time.
    #[doc(hidden)]
    pub told: Told,
}

/// What `GET /api/auth/session` tells, and nothing else does: written once, and kept as long as the session and its user are remembered,
/// as they were read. A change of either that others must hear of ends that; when the session expires is not one, and may be as much as
/// a minute old.
#[doc(hidden)]
#[derive(Clone, Default)]
pub struct Told(Option<Arc<Remembered>>);

impl Told {
    /// What was written the first time, or is written now.
    ///
    /// # Errors
    ///
    /// Those of writing it.
    pub fn or_write<E>(&self, write: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Bytes, E> {
        let kept = self.0.as_ref().map(|remembered| &remembered.told);
        if let Some(told) = kept.and_then(OnceLock::get) {
            return Ok(told.clone());
        }
        let mut written = write()?;
        // It may be kept for a minute.
        written.shrink_to_fit();
        let written = Bytes::from(written);
        // Somebody else may have been as fast, with the same.
        let _ = kept.map(|kept| kept.set(written.clone()));
        Ok(written)
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told(…)")
    }
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
        let mut refusal = None;
        for access_token in presented.access.iter().take(MAX_COOKIES_OF_ONE_NAME) {
            if let Some(current) = self.check_remembered(access_token, presented, &asked, now) {
                return Ok(current);
            }
            // In a box, for most checks come no further than this, and carry what follows along.
            match Box::pin(self.check_read(access_token, presented, &asked, now)).await {
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
            let may_refresh = !self.authentic_refresh_tokens(presented).is_empty();
            if may_refresh { CheckError::AccessTokenExpired } else { CheckError::NotLoggedIn }
        }))
    }

    /// The same check for other programs, which show an access token in a header that no browser sends by itself:
    /// there is no refresh cookie to fit and no forged request to fear.
    pub async fn check_bearer(&self, access_token: &str, asked: Asked) -> Result<CurrentSession, CheckError> {
        let now = self.clock.now();
        if let Some(remembered) = self.session_cache.find(|| Some(ShownDigest::of_token(access_token)), now)
            && let Ok(current) = self.check_bearer_of(remembered.found.clone(), &asked, now)
        {
            return Ok(CurrentSession { told: Told(Some(remembered)), ..current });
        }
        Box::pin(self.check_bearer_read(access_token, &asked, now)).await
    }

    async fn check_bearer_read(
        &self,
        access_token: &str,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Result<CurrentSession, CheckError> {
        let access = self.verified(access_token, now).await?.ok_or(CheckError::NotLoggedIn)?;
        let found = self.live_session_of(&access, now).await?;
        if let Some(remembered) = access.remembered_with(&found, None) {
            self.session_cache.remember(ShownDigest::of_token(access_token), remembered);
        }
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
        let (devices, told) = (Vec::new(), Told::default());
        Ok(CurrentSession { user, session, is_csrf_cookie_missing: false, shown_by, devices, told })
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

    /// The check by what is remembered, for one that passes: a refusal is never taken from there. The two cookies were found to fit
    /// together when the session was read; for how long, and whether their user may do this, is looked at again. Where there are
    /// several refresh cookies, the first that fits counts, which takes reading.
    fn check_remembered(
        &self,
        access_token: &str,
        presented: &PresentedSession<'_>,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Option<CurrentSession> {
        let shown = || match presented.refresh[..] {
            [refresh_cookie] => Some(ShownDigest::of_cookies(access_token, refresh_cookie)),
            _ => None,
        };
        let remembered = self.session_cache.find(shown, now)?;
        let (session, secret) = (&remembered.found.session, remembered.secret?);
        session.check_usable(now).ok()?;
        let is_honoured = session.honours(&secret, presented.received_at(now));
        // The first use of a secret is written down, so it is no matter of reading alone.
        if !is_honoured || session.is_first_use_of(&secret) {
            return None;
        }
        self.check_beside(&remembered.found, presented, asked).ok()?;
        let passed = self.passed(remembered.found.clone(), presented, now);
        Some(CurrentSession { told: Told(Some(remembered)), ..passed })
    }

    /// The check by what the store has. None where the token is not good.
    async fn check_read(
        &self,
        access_token: &str,
        presented: &PresentedSession<'_>,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Option<Result<CurrentSession, CheckError>> {
        match self.verified(access_token, now).await {
            Ok(access) => Some(self.check_pair(access_token, &access?, presented, asked, now).await),
            Err(error) => Some(Err(error.into())),
        }
    }

    async fn check_pair(
        &self,
        access_token: &str,
        access: &Access,
        presented: &PresentedSession<'_>,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Result<CurrentSession, CheckError> {
        let found = self.live_session_of(access, now).await?;
        // A stale secret is refused here and no more. The request may have been under way for long, and
        // ending its session would log out somebody honest; who holds a stolen one has to refresh to go on,
        // and that ends the session.
        let (cookie, secret) =
            self.honoured_cookie(&found.session, presented, now).ok_or(CheckError::NotLoggedIn)?;
        if let Some(remembered) = access.remembered_with(&found, Some(secret)) {
            self.session_cache.remember(ShownDigest::of_cookies(access_token, cookie), remembered);
        }
        self.check_beside(&found, presented, asked)?;
        if found.session.is_first_use_of(&secret) {
            self.store.alone().mark_secret_used(found.session.id_hash, &secret, now).await?;
        }
        Ok(self.passed(found, presented, now))
    }

    /// The first refresh cookie that is of this session and whose secret is honoured, with the hash of that secret.
    fn honoured_cookie<'p>(
        &self,
        session: &Session,
        presented: &PresentedSession<'p>,
        now: OffsetDateTime,
    ) -> Option<(&'p str, RefreshSecretHash)> {
        presented.refresh.iter().take(MAX_COOKIES_OF_ONE_NAME).find_map(|&cookie| {
            let token = RefreshToken::from_cookie(cookie, &self.keys)?;
            let secret = token.secret.hash();
            let is_of_this = token.session.hash() == session.id_hash;
            (is_of_this && session.honours(&secret, presented.received_at(now))).then_some((cookie, secret))
        })
    }

    /// What is shown beside the two cookies that fit together, and what their user may do.
    fn check_beside(
        &self,
        found: &SessionAndUser,
        presented: &PresentedSession<'_>,
        asked: &Asked,
    ) -> Result<(), CheckError> {
        if !found.session.accepts_csrf(&presented.csrf_cookies, presented.csrf) {
            return Err(CheckError::CsrfFailed);
        }
        self.check_allowed(&found.user, &found.session, asked)
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
        CurrentSession {
            user,
            session,
            is_csrf_cookie_missing,
            shown_by: ShownBy::Cookies,
            devices,
            told: Told::default(),
        }
    }

    async fn verified(&self, access_token: &str, now: OffsetDateTime) -> Result<Option<Access>, StoreError> {
        let asked_at = self.session_cache.ask();
        let claims = self.verify_access_token(access_token, now).await?;
        Ok(claims.map(|claims| Access { claims, asked_at }))
    }

    /// Reads the session of an access token.
    async fn live_session_of(
        &self,
        access: &Access,
        now: OffsetDateTime,
    ) -> Result<SessionAndUser, CheckError> {
        let found = self.store.alone().find_session_with_user(access.claims.session).await?;
        // No row: it was logged out, or its user is gone.
        let found = found.ok_or(SessionEnded::Revoked)?;
        found.session.check_usable(now)?;
        if found.user.id != access.claims.user_id {
            return Err(CheckError::NotLoggedIn);
        }
        Ok(found)
    }

    pub(super) fn authentic_refresh_tokens(&self, presented: &PresentedSession<'_>) -> Vec<RefreshToken> {
        let cookies = presented.refresh.iter().take(MAX_COOKIES_OF_ONE_NAME);
        cookies.filter_map(|cookie| RefreshToken::from_cookie(cookie, &self.keys)).collect()
    }
}

impl Access {
    /// What may be remembered of it for a while; nothing where nothing is remembered at all, or changes are not followed.
    fn remembered_with(
        &self,
        found: &SessionAndUser,
        secret: Option<RefreshSecretHash>,
    ) -> Option<Remembered> {
        self.asked_at.map(|asked| Remembered::new(self.claims, found.clone(), secret, asked))
    }
}
