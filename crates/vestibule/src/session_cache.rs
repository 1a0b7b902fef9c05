//! Sessions that were read a moment ago, so that most requests need no statement.
//!
//! Three rules keep it honest.
//!
//! 1. It only ever says yes. What it does not hold, and whatever would be refused by what it holds, is asked of the store.
//! 2. It says nothing unless somebody follows the changes of the store and has shown within the last second that none was missed:
//!    a cut connection, a paused process and a server without a follower all lead to the store.
//! 3. A change made by this process is known here before it is answered.
//!
//! So a session that was ended is honoured nowhere beyond the time that its end takes to get here, and in no case longer than
//! [`TRUSTED_FOR`].

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::models::{AccessClaims, RefreshSecretHash, SessionIdHash, UserId};
use crate::ports::{Stopwatch, SystemStopwatch};
use crate::repository::SessionAndUser;

/// How long the cache is trusted after it was shown that no change was missed.
pub const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long a session is remembered. A refresh secret that another server replaced is honoured here that long at most; the access
/// token that comes with it would be taken by itself as long as it lives.
pub const REMEMBERED_FOR: Duration = Duration::from_mins(1);
/// So many changes are remembered, of about 60 bytes each. Beyond, everything is forgotten at once.
const MOST_CHANGES: usize = 16_384;

/// Sessions with their users, as they were read, by the access tokens and refresh cookies that were shown and found good.
pub struct SessionCache {
    entries: Option<Cache<ShownDigest, Arc<Remembered>>>,
    changes: RwLock<Changes>,
    /// Until when all changes are known here, in microseconds of the stopwatch; 0 while nobody follows.
    known_until: AtomicU64,
    is_asked: AtomicBool,
    hits: AtomicU64,
    misses: AtomicU64,
    stopwatch: Arc<dyn Stopwatch>,
}

/// What changed in the store, and no longer is as it may be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// A session was ended or is otherwise not what it was.
    Session(SessionIdHash),
    /// A user is gone or not what they were, or some of their sessions are not.
    User(UserId),
}

/// How the cache does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheState {
    /// Whether it may answer at this moment.
    pub is_trusted: bool,
    /// How many pairs of cookies and access tokens by themselves it holds.
    pub held: u64,
    /// How often it held what was looked for.
    pub hits: u64,
    /// How often it did not, and left it to the store.
    pub misses: u64,
}

/// SHA-256 of what was shown: neither an access token nor a refresh cookie rests in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ShownDigest([u8; 32]);

/// A session that was read, and what was shown that leads to it.
pub(crate) struct Remembered {
    pub claims: AccessClaims,
    pub found: SessionAndUser,
    /// The secret of the refresh cookie that was shown with the token and is of the same session; none where only a token was.
    pub secret: Option<RefreshSecretHash>,
    /// What is told of it, once it was.
    pub told: OnceLock<Bytes>,
    asked: AskedAt,
}

/// When the store was asked: which changes its answer must hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AskedAt {
    changes: u64,
    at: Duration,
}

/// Which changes there were, numbered. What was asked of the store before a change may lack it.
#[derive(Default)]
struct Changes {
    last: u64,
    /// When the track was lost last.
    lost_at: Option<Duration>,
    /// What was asked before this one is forgotten altogether.
    floor: u64,
    sessions: HashMap<SessionIdHash, Change>,
    users: HashMap<UserId, Change>,
}

#[derive(Clone, Copy)]
struct Change {
    number: u64,
    at: Duration,
}

impl SessionCache {
    /// One that holds a number of sessions, of about two kilobytes each. With 0 it holds none and never answers.
    pub fn new(most: usize) -> Self {
        Self::with_stopwatch(most, Arc::new(SystemStopwatch::start()))
    }

    /// The same, by another stopwatch.
    pub fn with_stopwatch(most: usize, stopwatch: Arc<dyn Stopwatch>) -> Self {
        Self {
            entries: (most > 0).then(|| Cache::new(most)),
            changes: RwLock::default(),
            known_until: AtomicU64::new(0),
            is_asked: AtomicBool::new(false),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            stopwatch,
        }
    }

    /// One that never answers: every check reads the store.
    pub fn off() -> Self {
        Self::new(0)
    }

    /// Whether it can hold anything, and there is something to follow.
    pub fn is_on(&self) -> bool {
        self.entries.is_some()
    }

    /// How it does.
    pub fn state(&self) -> CacheState {
        CacheState {
            is_trusted: self.is_trusted(self.stopwatch.elapsed()),
            held: self.entries.as_ref().map_or(0, |entries| u64::try_from(entries.len()).unwrap_or(u64::MAX)),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }

    /// The present moment, for who follows: to be taken before it is asked which changes there were.
    pub fn moment(&self) -> Duration {
        self.stopwatch.elapsed()
    }

    /// Whether the cache was asked for anything since this was asked last. Where it was not, nobody needs to follow closely.
    pub fn was_asked(&self) -> bool {
        self.is_asked.swap(false, Ordering::Relaxed)
    }

    /// Every change of before a [moment](Self::moment) was told here. One that is not over yet, or before the track was lost, says
    /// nothing.
    pub fn knows_all_until(&self, moment: Duration) {
        let changes = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        if moment <= self.stopwatch.elapsed() && changes.lost_at.is_none_or(|lost_at| moment > lost_at) {
            self.known_until.fetch_max(micros(moment), Ordering::AcqRel);
        }
        drop(changes);
    }

    /// Changes may have been missed: nothing is remembered, and nothing answered until they are followed again.
    pub fn lost_track(&self) {
        let mut changes = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        changes.lost_at = Some(self.stopwatch.elapsed());
        self.known_until.store(0, Ordering::Release);
        drop(changes);
        self.forget_all();
    }

    /// Everything may have changed.
    pub fn forget_all(&self) {
        let mut changes = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        changes.forget_all();
        drop(changes);
        if let Some(entries) = &self.entries {
            entries.clear();
        }
    }

    /// Something changed. To be told after the change holds and before it is answered for.
    pub fn forget(&self, changed: Changed) {
        let at = self.stopwatch.elapsed();
        self.changes.write().unwrap_or_else(PoisonError::into_inner).note(changed, at);
    }

    /// What is remembered of what is shown, if it may be trusted now. Where what is shown is nothing that can be remembered, it is
    /// left to the store as well.
    pub(crate) fn find(
        &self,
        shown: impl FnOnce() -> Option<ShownDigest>,
        now: OffsetDateTime,
    ) -> Option<Arc<Remembered>> {
        let entries = self.entries.as_ref()?;
        // Read before it is written: the cores would else take the line from each other at each request.
        if !self.is_asked.load(Ordering::Relaxed) {
            self.is_asked.store(true, Ordering::Relaxed);
        }
        let moment = self.stopwatch.elapsed();
        let shown = if self.is_trusted(moment) { shown() } else { None };
        let found = shown.and_then(|shown| entries.get(&shown));
        let found = found.filter(|remembered| {
            moment.saturating_sub(remembered.asked.at) < REMEMBERED_FOR
                && remembered.claims.expires_at > now
                && !self.changes.read().unwrap_or_else(PoisonError::into_inner).touch(remembered)
        });
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// To be called before the store is asked for a session.
    pub(crate) fn ask(&self) -> Option<AskedAt> {
        let at = self.stopwatch.elapsed();
        if !self.is_on() || !self.is_trusted(at) {
            return None;
        }
        let changes = self.changes.read().unwrap_or_else(PoisonError::into_inner).last;
        Some(AskedAt { changes, at })
    }

    /// Remembers what the store said to who asked.
    pub(crate) fn remember(&self, shown: ShownDigest, remembered: Remembered) {
        if let Some(entries) = &self.entries {
            entries.insert(shown, Arc::new(remembered));
        }
    }

    fn is_trusted(&self, moment: Duration) -> bool {
        let known_until = self.known_until.load(Ordering::Acquire);
        known_until > 0 && Duration::from_micros(micros(moment).saturating_sub(known_until)) < TRUSTED_FOR
    }
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionCache").field(&self.state()).finish()
    }
}

impl Remembered {
    pub(crate) fn new(
        claims: AccessClaims,
        found: SessionAndUser,
        secret: Option<RefreshSecretHash>,
        asked: AskedAt,
    ) -> Self {
        Self { claims, found, secret, told: OnceLock::new(), asked }
    }
}

impl ShownDigest {
    /// Of an access token that is shown by itself.
    pub(crate) fn of_token(token: &str) -> Self {
        Self(Sha256::new_with_prefix([0]).chain_update(token).finalize().into())
    }

    /// Of an access token and the refresh cookie beside it. No token by itself has the same.
    pub(crate) fn of_cookies(token: &str, refresh_cookie: &str) -> Self {
        let hash = Sha256::new_with_prefix([1])
            // Where the first ends: the same letters may be divided otherwise.
            .chain_update(token.len().to_be_bytes())
            .chain_update(token)
            .chain_update(refresh_cookie);
        Self(hash.finalize().into())
    }
}

impl Changes {
    fn note(&mut self, changed: Changed, at: Duration) {
        self.last += 1;
        let change = Change { number: self.last, at };
        match changed {
            Changed::Session(id) => drop(self.sessions.insert(id, change)),
            Changed::User(id) => drop(self.users.insert(id, change)),
        }
        if self.sessions.len() + self.users.len() > MOST_CHANGES {
            // What was asked before these is over by itself.
            self.sessions.retain(|_, change| at.saturating_sub(change.at) < REMEMBERED_FOR);
            self.users.retain(|_, change| at.saturating_sub(change.at) < REMEMBERED_FOR);
            // Else each that comes would look through all of them again.
            if self.sessions.len() + self.users.len() > MOST_CHANGES / 2 {
                self.forget_all();
            }
        }
    }

    fn forget_all(&mut self) {
        self.last += 1;
        self.floor = self.last;
        self.sessions.clear();
        self.users.clear();
    }

    /// Whether something that is remembered may lack a change.
    fn touch(&self, remembered: &Remembered) -> bool {
        let asked = remembered.asked.changes;
        let later = |change: Option<&Change>| change.is_some_and(|change| change.number > asked);
        self.floor > asked
            || later(self.sessions.get(&remembered.claims.session))
            || later(self.users.get(&remembered.claims.user_id))
    }
}

fn micros(moment: Duration) -> u64 {
    // From 1, so that 0 is none.
    u64::try_from(moment.as_micros()).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use time::macros::datetime;

    use super::*;
    use crate::models::{Client, CsrfToken, EmailAddress, PersonName, PublicSessionId, Role, Session, User};

    const NOON: OffsetDateTime = datetime!(2026-05-01 12:00 UTC);
    const TOKEN: &str = "a token";

    #[derive(Default)]
    struct Hand(Mutex<Duration>);

    impl Stopwatch for Hand {
        fn elapsed(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    impl Hand {
        fn turn(&self, by: Duration) {
            *self.0.lock().unwrap() += by;
        }
    }

    fn cache() -> (SessionCache, Arc<Hand>) {
        let hand = Arc::new(Hand::default());
        (SessionCache::with_stopwatch(100, hand.clone()), hand)
    }

    fn found() -> (AccessClaims, SessionAndUser) {
        let user = User {
            id: UserId::from(uuid::Uuid::from_u128(7)),
            email: EmailAddress::parse("ann@example.com").unwrap(),
            name: PersonName::parse("Ann").unwrap(),
            is_email_verified: true,
            role: Role::User,
            is_disabled: false,
            created_at: NOON,
            updated_at: NOON,
        };
        let session = Session {
            id_hash: [7; 32].into(),
            public_id: PublicSessionId::from(uuid::Uuid::from_u128(7)),
            user_id: user.id,
            secret_hash: [8; 32].into(),
            previous_secret_hash: None,
            secret_rotated_at: NOON,
            secret_first_used_at: None,
            csrf_token: CsrfToken::from_stored("token".into()),
            is_revoked: false,
            created_at: NOON,
            password_given_at: NOON,
            last_seen_at: NOON,
            expires_at: NOON + time::Duration::DAY,
            absolute_expires_at: NOON + time::Duration::DAY,
            client: Client::default(),
        };
        let expires_at = NOON + time::Duration::minutes(5);
        let claims = AccessClaims { user_id: user.id, session: session.id_hash, issued_at: NOON, expires_at };
        (claims, SessionAndUser { session: Arc::new(session), user: Arc::new(user) })
    }

    fn remember(cache: &SessionCache) -> (AccessClaims, SessionAndUser) {
        let (claims, found) = found();
        remember_as(cache, cache.ask(), claims, &found);
        (claims, found)
    }

    fn holds(cache: &SessionCache) -> bool {
        cache.find(|| Some(ShownDigest::of_token(TOKEN)), NOON).is_some()
    }

    #[test]
    fn it_answers_while_somebody_shows_that_no_change_was_missed() {
        let (cache, hand) = cache();
        remember(&cache);
        assert!(!holds(&cache), "nobody follows, so nothing is remembered");
        cache.knows_all_until(cache.moment());
        remember(&cache);
        assert!(holds(&cache));
        assert!(cache.find(|| Some(ShownDigest::of_token("another")), NOON).is_none());
        hand.turn(TRUSTED_FOR);
        assert!(!holds(&cache), "it was not shown for a second");
        cache.knows_all_until(cache.moment());
        assert!(holds(&cache), "nothing had changed");
        let before = cache.moment();
        cache.lost_track();
        assert!(!holds(&cache));
        cache.knows_all_until(before);
        remember(&cache);
        assert!(!holds(&cache), "that was asked before the track was lost");
        hand.turn(Duration::from_micros(1));
        cache.knows_all_until(cache.moment() + Duration::from_secs(1));
        remember(&cache);
        assert!(!holds(&cache), "nobody can know what will be");
        cache.knows_all_until(cache.moment());
        assert!(!holds(&cache), "something may have been missed");
        remember(&cache);
        assert!(holds(&cache));
    }

    #[test]
    fn a_change_is_forgotten_also_by_who_asked_before_it_and_remembers_after_it() {
        let (cache, _) = cache();
        cache.knows_all_until(cache.moment());
        let (claims, read) = remember(&cache);
        for changed in [Changed::Session(claims.session), Changed::User(claims.user_id)] {
            let asked = cache.ask();
            cache.forget(changed);
            assert!(!holds(&cache));
            remember_as(&cache, asked, claims, &read);
            assert!(!holds(&cache), "it may have been read before the change");
            remember_as(&cache, cache.ask(), claims, &read);
            assert!(holds(&cache));
        }
        cache.forget(Changed::Session([9; 32].into()));
        assert!(holds(&cache), "that was another session");
        let asked = cache.ask();
        cache.forget_all();
        remember_as(&cache, asked, claims, &read);
        assert!(!holds(&cache));
    }

    fn remember_as(
        cache: &SessionCache,
        asked: Option<AskedAt>,
        claims: AccessClaims,
        read: &SessionAndUser,
    ) {
        let remembered = asked.map(|asked| Remembered::new(claims, read.clone(), None, asked));
        if let Some(remembered) = remembered {
            cache.remember(ShownDigest::of_token(TOKEN), remembered);
        }
    }

    #[test]
    fn a_session_is_remembered_for_a_minute_and_a_token_as_long_as_it_lives() {
        let (cache, hand) = cache();
        cache.knows_all_until(cache.moment());
        let (claims, _) = remember(&cache);
        hand.turn(REMEMBERED_FOR.checked_sub(Duration::from_millis(1)).unwrap());
        cache.knows_all_until(cache.moment());
        assert!(holds(&cache));
        assert!(cache.find(|| Some(ShownDigest::of_token(TOKEN)), claims.expires_at).is_none());
        hand.turn(Duration::from_millis(1));
        cache.knows_all_until(cache.moment());
        assert!(!holds(&cache));
    }

    #[test]
    fn many_changes_do_not_make_it_grow_and_none_is_lost() {
        let (cache, hand) = cache();
        cache.knows_all_until(cache.moment());
        let (claims, read) = remember(&cache);
        cache.forget(Changed::Session(claims.session));
        for number in 0..3 * MOST_CHANGES {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            cache.forget(Changed::Session(hash.into()));
            let changes = cache.changes.read().unwrap();
            assert!(changes.sessions.len() + changes.users.len() <= MOST_CHANGES);
            drop(changes);
            assert!(!holds(&cache));
        }
        remember_as(&cache, cache.ask(), claims, &read);
        assert!(holds(&cache));
        // Those of a minute ago make room without forgetting what is newer.
        hand.turn(REMEMBERED_FOR);
        cache.knows_all_until(cache.moment());
        remember_as(&cache, cache.ask(), claims, &read);
        for number in 0..MOST_CHANGES / 4 {
            let mut hash = [1; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            cache.forget(Changed::Session(hash.into()));
        }
        assert!(holds(&cache));
    }

    #[test]
    fn one_that_is_off_remembers_nothing() {
        let cache = SessionCache::off();
        cache.knows_all_until(cache.moment());
        remember(&cache);
        assert!(!holds(&cache));
        assert!(!cache.was_asked(), "so nobody follows for it");
    }
}
