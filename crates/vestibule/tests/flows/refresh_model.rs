//! The rotation rule once more, as few lines as it takes, from the contract and not from the code. Random acts of the
//! owner, of late requests and of thieves are put to the accounts and to these lines, and both must say the same.

use rstest::rstest;
use time::{Duration, OffsetDateTime};
use vestibule::models::{AuditEventKind, Client, CsrfProof, MailKind, Role, SessionEnded};
use vestibule::services::{Asked, CheckError, LoggedIn, PresentedSession, RefreshError};
use vestibule_testkit::{DatabaseKind, Dice, House, PASSWORD, values, writing};

const ACTS: usize = 250;
const GRACE: Duration = Duration::seconds(10);
const IDLE: Duration = Duration::days(7);

/// What there is to know of a session. Its secrets are numbered from 0.
struct Model {
    current: usize,
    /// When the current secret was first used, in a check: in a refresh it stops being current.
    first_used: Option<OffsetDateTime>,
    expires_at: OffsetDateTime,
    absolute_expires_at: OffsetDateTime,
    is_revoked: bool,
}

/// What came of an act.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Checked.
    Ok,
    /// Refreshed, to the secret of this number, until then.
    Secret(usize, OffsetDateTime),
    AccessTokenExpired,
    NotLoggedIn,
    Reused,
    Revoked,
    Expired,
}

impl Model {
    fn of(session: &LoggedIn) -> Self {
        Self {
            current: 0,
            first_used: None,
            expires_at: session.session.expires_at,
            absolute_expires_at: session.session.absolute_expires_at,
            is_revoked: false,
        }
    }

    fn end(&self, now: OffsetDateTime) -> Option<Outcome> {
        match () {
            () if self.is_revoked => Some(Outcome::Revoked),
            () if now >= self.expires_at => Some(Outcome::Expired),
            () => None,
        }
    }

    fn honours(&self, shown: usize, now: OffsetDateTime) -> bool {
        let is_in_time = self.first_used.is_none_or(|first_used| now < first_used + GRACE);
        shown == self.current || (shown + 1 == self.current && is_in_time)
    }

    fn refresh(&mut self, shown: usize, now: OffsetDateTime) -> Outcome {
        if let Some(end) = self.end(now) {
            return end;
        }
        if !self.honours(shown, now) {
            self.is_revoked = true;
            return Outcome::Reused;
        }
        if shown == self.current {
            self.current += 1;
            self.first_used = None;
            self.expires_at = (now + IDLE).min(self.absolute_expires_at);
        }
        Outcome::Secret(self.current, self.expires_at)
    }

    fn check(&mut self, shown: usize, is_access_over: bool, now: OffsetDateTime) -> Outcome {
        if is_access_over {
            return Outcome::AccessTokenExpired;
        }
        if let Some(end) = self.end(now) {
            return end;
        }
        if !self.honours(shown, now) {
            return Outcome::NotLoggedIn;
        }
        if shown == self.current && self.first_used.is_none() {
            self.first_used = Some(now);
        }
        Outcome::Ok
    }
}

/// A real session, with all that its browser and its thieves ever held.
struct Real {
    /// The refresh cookies in the order of their secrets.
    cookies: Vec<String>,
    newest: LoggedIn,
}

impl Real {
    fn of(session: LoggedIn) -> Self {
        Self { cookies: vec![session.tokens.refresh.to_string()], newest: session }
    }

    /// The newest access token with the secret of that number.
    fn showing(&self, secret: usize) -> PresentedSession<'_> {
        PresentedSession { refresh: values(&[&self.cookies[secret]]), ..writing(&self.newest) }
    }

    async fn refresh(&mut self, server: &House, secret: usize) -> Outcome {
        match server.accounts.refresh(&self.showing(secret), &Client::default()).await {
            Ok(refreshed) => {
                let cookie = refreshed.tokens.refresh.to_string();
                let number = self.cookies.iter().position(|known| *known == cookie).unwrap_or_else(|| {
                    self.cookies.push(cookie);
                    self.cookies.len() - 1
                });
                let expires_at = refreshed.session.expires_at;
                self.newest = refreshed;
                Outcome::Secret(number, expires_at)
            }
            Err(RefreshError::SessionEnded(SessionEnded::Revoked)) => Outcome::Revoked,
            Err(RefreshError::SessionEnded(SessionEnded::Expired)) => Outcome::Expired,
            Err(RefreshError::Reused) => Outcome::Reused,
            Err(other) => panic!("none of the rule's answers: {other:?}"),
        }
    }

    async fn check(&self, server: &House, secret: usize) -> Outcome {
        let shown = PresentedSession { csrf: CsrfProof::NotNeeded, ..self.showing(secret) };
        match server.accounts.check_session(&shown, Asked::role(Role::User)).await {
            Ok(_) => Outcome::Ok,
            Err(CheckError::AccessTokenExpired) => Outcome::AccessTokenExpired,
            Err(CheckError::NotLoggedIn) => Outcome::NotLoggedIn,
            Err(CheckError::SessionEnded(SessionEnded::Revoked)) => Outcome::Revoked,
            Err(CheckError::SessionEnded(SessionEnded::Expired)) => Outcome::Expired,
            Err(other) => panic!("none of the rule's answers: {other:?}"),
        }
    }
}

/// Mostly the secret that the browser has, often the one before it, now and then an old copy.
fn choose(dice: &mut Dice, model: &Model) -> usize {
    match dice.roll(80) {
        0 => dice.index(model.current + 1),
        1..=20 => model.current.saturating_sub(1),
        _ => model.current,
    }
}

/// On, before and after the edges of the rule.
fn pause(dice: &mut Dice) -> Duration {
    const INSTANT: Duration = Duration::microseconds(1);
    match dice.roll(60) {
        0..=29 => Duration::ZERO,
        30..=32 => INSTANT,
        33..=40 => Duration::seconds(5),
        41..=45 => GRACE - INSTANT,
        46..=48 => GRACE,
        49..=53 => Duration::minutes(5),
        54..=55 => Duration::hours(9),
        56 => IDLE - INSTANT,
        57 => IDLE,
        _ => Duration::days(4),
    }
}

#[rstest]
#[tokio::test]
async fn accounts_answer_as_the_rule_does_whatever_is_shown_whenever(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
    #[values(1, 2, 3, 4)] seed: u64,
) {
    let first = House::open(kind).await;
    let servers = [&first, &first.second_server().await];
    let mut dice = Dice::new(seed);
    let mut real = Real::of(first.signed_up("ann").await);
    let mut model = Model::of(&real.newest);
    let (mut replays, mut ends, mut late) = (0, 0, 0);

    for act in 0..ACTS {
        first.clock.advance(pause(&mut dice));
        let (now, server) = (first.accounts.now(), servers[dice.index(2)]);
        let shown = choose(&mut dice, &model);
        let before = model.current;
        let (told, expected) = if dice.one_in(2) {
            (real.refresh(server, shown).await, model.refresh(shown, now))
        } else {
            // A token's times are whole seconds.
            let end = real.newest.tokens.access_expires_at.replace_nanosecond(0).unwrap();
            (real.check(server, shown).await, model.check(shown, now >= end, now))
        };
        assert_eq!(told, expected, "seed {seed}, act {act}: secret {shown} of {before} at {now}");

        replays += usize::from(told == Outcome::Reused);
        late += usize::from(shown != before && matches!(told, Outcome::Ok | Outcome::Secret(..)));
        if model.end(now).is_some() {
            ends += 1;
            // What has ended stays so, for every secret there was.
            for secret in 0..real.cookies.len() {
                assert_eq!(
                    Some(real.refresh(server, secret).await),
                    model.end(now),
                    "seed {seed}, act {act}"
                );
            }
            real = Real::of(first.log_in("ann@example.com", PASSWORD).await.unwrap());
            model = Model::of(&real.newest);
        }
    }

    let happened = format!("seed {seed}: {ends} ends, of which {replays} replays, and {late} late acts");
    assert!(replays >= 2 && ends >= replays + 2 && late >= 10, "{happened}");
    let mails = first.outbox_kinds().await.into_iter().filter(|kind| *kind == MailKind::RefreshReused);
    let events = first.audit_kinds().await.into_iter().filter(|kind| *kind == AuditEventKind::RefreshReused);
    assert_eq!((mails.count(), events.count()), (replays, replays), "seed {seed}: each is told once");
}
