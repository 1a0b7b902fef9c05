use time::{Duration, OffsetDateTime};

use super::{Client, CsrfProof, CsrfToken, RefreshSecretHash, SessionIdHash, UserId, id};

/// How long the secret before the current one is still honoured after the current one was first used: for
/// requests that were under way. Longer would help a thief; shorter would log out people on slow lines.
const GRACE: Duration = Duration::seconds(10);

id! {
    /// Names a session to its owner, in lists and in the API. It opens nothing.
    PublicSessionId
}

/// Somebody logged in, in one browser.
#[derive(Debug, Clone)]
pub struct Session {
    /// The key in the store.
    pub id_hash: SessionIdHash,
    /// The name in lists.
    pub public_id: PublicSessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The hash of the current refresh secret.
    pub secret_hash: RefreshSecretHash,
    /// The hash of the one before it; none before the first refresh.
    pub previous_secret_hash: Option<RefreshSecretHash>,
    /// When the current secret became current.
    pub secret_rotated_at: OffsetDateTime,
    /// When the current secret was first shown to us; none while only its predecessor was.
    pub secret_first_used_at: Option<OffsetDateTime>,
    /// Never changes within a session.
    pub csrf_token: CsrfToken,
    /// Ended before its time.
    pub is_revoked: bool,
    /// When they logged in.
    pub created_at: OffsetDateTime,
    /// When they last gave their password in this session: as they logged in, or since.
    pub password_given_at: OffsetDateTime,
    /// When the session was last refreshed or its new secret first used.
    pub last_seen_at: OffsetDateTime,
    /// When it ends unless it is refreshed.
    pub expires_at: OffsetDateTime,
    /// When it ends in any case. Never moves.
    pub absolute_expires_at: OffsetDateTime,
    /// Where they logged in from.
    pub client: Client,
}

/// How long sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// Without a refresh.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionEnded {
    /// Its idle or its absolute time is over.
    #[error("the session has expired")]
    Expired,
    /// It was ended: by a log-out, by its owner, by an operator, or because an old secret was replayed.
    #[error("the session was ended")]
    Revoked,
}

/// What a refresh secret is to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretStanding {
    /// The current one.
    Current,
    /// The one before it, still honoured.
    Previous,
    /// Older, or no longer honoured.
    Stale,
}

impl Session {
    /// Whether the session may be used at this moment. Revocation is told first: it is the stronger word.
    pub fn check_usable(&self, now: OffsetDateTime) -> Result<(), SessionEnded> {
        if self.is_revoked {
            return Err(SessionEnded::Revoked);
        }
        if self.expires_at <= now || self.absolute_expires_at <= now {
            return Err(SessionEnded::Expired);
        }
        Ok(())
    }

    /// The rotation rule: the current secret always, the one before it until the current one is first used and
    /// 10 s beyond that.
    pub fn standing_of(&self, secret: &RefreshSecretHash, now: OffsetDateTime) -> SecretStanding {
        if self.secret_hash.matches(secret) {
            return SecretStanding::Current;
        }
        let is_previous = self.previous_secret_hash.is_some_and(|previous| previous.matches(secret));
        let is_honoured =
            self.secret_first_used_at.is_none_or(|first_used| first_used > Self::grace_start(now));
        if is_previous && is_honoured { SecretStanding::Previous } else { SecretStanding::Stale }
    }

    /// Whether a secret is still good, by that rule.
    pub fn honours(&self, secret: &RefreshSecretHash, now: OffsetDateTime) -> bool {
        self.standing_of(secret, now) != SecretStanding::Stale
    }

    /// A current secret first used after this moment leaves its predecessor honoured.
    pub fn grace_start(now: OffsetDateTime) -> OffsetDateTime {
        now - GRACE
    }

    /// Whether showing the current secret now is news: from here the predecessor's time runs out.
    pub fn is_first_use_of(&self, secret: &RefreshSecretHash) -> bool {
        self.previous_secret_hash.is_some()
            && self.secret_first_used_at.is_none()
            && self.secret_hash.matches(secret)
    }

    /// Whether what a request showed is this session's token. `cookies` are all that came under the name of the
    /// CSRF cookie: one that fits is enough, so that a planted second cookie locks nobody out.
    pub fn accepts_csrf(&self, cookies: &[&str], proof: CsrfProof<'_>) -> bool {
        let has_cookie = cookies.iter().any(|cookie| self.csrf_token.matches(cookie));
        match proof {
            // A missing cookie is set again; a wrong one is refused.
            CsrfProof::NotNeeded => has_cookie || cookies.is_empty(),
            CsrfProof::Sent(sent) => has_cookie && sent.is_some_and(|sent| self.csrf_token.matches(sent)),
        }
    }
}

impl SessionLifetimes {
    /// When a session used at `now` ends: after the idle time, but never after its absolute end.
    pub fn next_expiry(&self, now: OffsetDateTime, absolute_expires_at: OffsetDateTime) -> OffsetDateTime {
        (now + self.idle).min(absolute_expires_at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::ports::{OsRandom, Random};

    const NOON: OffsetDateTime = datetime!(2026-05-01 12:00 UTC);

    fn secret(number: u8) -> RefreshSecretHash {
        [number; 32].into()
    }

    fn session() -> Session {
        let random: &dyn Random = &OsRandom;
        Session {
            id_hash: random.bytes().into(),
            public_id: PublicSessionId::new(NOON, random),
            user_id: UserId::new(NOON, random),
            secret_hash: secret(2),
            previous_secret_hash: Some(secret(1)),
            secret_rotated_at: NOON,
            secret_first_used_at: None,
            csrf_token: CsrfToken::generate(random),
            is_revoked: false,
            created_at: NOON,
            password_given_at: NOON,
            last_seen_at: NOON,
            expires_at: NOON + Duration::days(7),
            absolute_expires_at: NOON + Duration::days(30),
            client: Client::default(),
        }
    }

    #[test]
    fn the_previous_secret_is_honoured_until_the_current_one_is_used_and_ten_seconds_beyond() {
        let mut session = session();
        let much_later = NOON + Duration::days(6);
        assert_eq!(session.standing_of(&secret(1), much_later), SecretStanding::Previous);

        session.secret_first_used_at = Some(NOON);
        let last_moment = NOON + Duration::seconds(10) - Duration::microseconds(1);
        assert_eq!(session.standing_of(&secret(1), last_moment), SecretStanding::Previous);
        assert_eq!(session.standing_of(&secret(1), NOON + Duration::seconds(10)), SecretStanding::Stale);
        assert_eq!(session.standing_of(&secret(2), much_later), SecretStanding::Current);
        assert_eq!(session.standing_of(&secret(0), NOON), SecretStanding::Stale);
    }

    #[test]
    fn a_session_ends_at_either_expiry_and_when_revoked() {
        let mut session = session();
        assert_eq!(session.check_usable(NOON), Ok(()));
        assert_eq!(session.check_usable(session.expires_at), Err(SessionEnded::Expired));
        session.expires_at = session.absolute_expires_at + Duration::days(1);
        assert_eq!(session.check_usable(session.absolute_expires_at), Err(SessionEnded::Expired));
        session.is_revoked = true;
        assert_eq!(session.check_usable(NOON), Err(SessionEnded::Revoked));
    }

    #[test]
    fn the_csrf_token_is_asked_of_cookie_and_page() {
        let session = session();
        let token = session.csrf_token.as_str();
        let cases: &[(&[&str], CsrfProof<'_>, bool)] = &[
            (&[token], CsrfProof::NotNeeded, true),
            (&[], CsrfProof::NotNeeded, true),
            (&["wrong"], CsrfProof::NotNeeded, false),
            (&["planted", token], CsrfProof::NotNeeded, true),
            (&[token], CsrfProof::Sent(Some(token)), true),
            (&["planted", token], CsrfProof::Sent(Some(token)), true),
            (&[token], CsrfProof::Sent(None), false),
            (&[token], CsrfProof::Sent(Some("wrong")), false),
            (&[token], CsrfProof::Sent(Some("")), false),
            (&[], CsrfProof::Sent(Some(token)), false),
            (&["wrong"], CsrfProof::Sent(Some("wrong")), false),
        ];
        for (cookies, proof, expected) in cases {
            assert_eq!(session.accepts_csrf(cookies, *proof), *expected, "{cookies:?} {proof:?}");
        }
    }

    proptest! {
        #[test]
        fn refreshing_never_outlives_the_absolute_end(idle in 1i64..10_000, absolute in 1i64..10_000, at in 0i64..20_000) {
            let lifetimes = SessionLifetimes { idle: Duration::minutes(idle), absolute: Duration::minutes(absolute) };
            let end = NOON + lifetimes.absolute;
            prop_assert!(lifetimes.next_expiry(NOON + Duration::minutes(at), end) <= end);
        }
    }
}
