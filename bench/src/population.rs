//! People who never lived: users with browsers and sessions, each derived from a seed and a number, so that their secrets are
//! known here while the database has only the hashes of them, as it has of real ones.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use vestibule::models::{
    Client, CsrfToken, Device, EmailAddress, PersonName, PublicSessionId, RefreshToken, Role, Session, User,
    UserId,
};
use vestibule::ports::Random;

/// What all of them log in with.
pub const PASSWORD: &str = "copper window thursday";
/// So many browsers has each of them open.
pub const SESSIONS_EACH: u64 = 3;
/// As long as a session lives without a refresh.
const IDLE: Duration = Duration::days(7);
const ABSOLUTE: Duration = Duration::days(30);
/// Their sessions began within so many days, so that all are alive and none ends during a measurement.
const SESSIONS_BEGAN_WITHIN: Duration = Duration::days(6);
const USERS_CAME_WITHIN: Duration = Duration::days(365);
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";

/// Somebody.
pub struct Person {
    /// As they are stored.
    pub user: User,
    /// The browser that they log in with.
    pub device: Device,
    /// Their sessions, and what their browsers have of each.
    pub sessions: Vec<(Session, RefreshToken)>,
}

/// All of one database.
#[derive(Debug, Clone, Copy)]
pub struct Population {
    /// How many people.
    pub users: u64,
    /// When they were made up.
    pub now: OffsetDateTime,
    /// What their secrets are derived from.
    pub seed: u64,
}

impl Population {
    /// The person of a number, the same whenever they are asked for.
    pub fn person(&self, number: u64) -> Result<Person> {
        let chance = Derived::of(self.seed, number);
        let random: &dyn Random = &chance;
        let share = |all: Duration, part: u64, of: u64| -> Result<Duration> {
            let seconds = u64::try_from(all.whole_seconds())? * part / of.max(1);
            Ok(Duration::seconds(i64::try_from(seconds)?))
        };
        let came = self.now - SESSIONS_BEGAN_WITHIN - USERS_CAME_WITHIN
            + share(USERS_CAME_WITHIN, number, self.users)?;
        let id = UserId::new(came, random);
        // The addresses of real people are in no order.
        let letters = u32::from_be_bytes(random.bytes());
        let user = User {
            id,
            email: EmailAddress::parse(&email(letters, number))?,
            name: PersonName::parse(&format!("Person {number}"))?,
            is_email_verified: true,
            role: "user".parse::<Role>().context("`user` is a role")?,
            is_disabled: false,
            created_at: came,
            updated_at: came,
        };
        let device = Device::generate(random);
        let client = Client::new(Some(address(number).parse()?), Some(USER_AGENT));
        let mut sessions = Vec::new();
        for which in 0..SESSIONS_EACH {
            let token = RefreshToken::generate(random);
            let csrf_token = CsrfToken::generate(random);
            let began_before = share(SESSIONS_BEGAN_WITHIN, (number * SESSIONS_EACH + which) % 1009, 1009)?;
            let began = self.now - began_before;
            let session = Session {
                id_hash: token.session.hash(),
                public_id: PublicSessionId::new(began, random),
                user_id: id,
                secret_hash: token.secret.hash(),
                previous_secret_hash: None,
                secret_rotated_at: began,
                secret_first_used_at: None,
                csrf_token,
                is_revoked: false,
                created_at: began,
                password_given_at: began,
                last_seen_at: began,
                expires_at: began + IDLE,
                absolute_expires_at: began + ABSOLUTE,
                client: client.clone(),
            };
            sessions.push((session, token));
        }
        Ok(Person { user, device, sessions })
    }
}

/// From where a person of a number comes: each from another address, so that nobody shares a quota.
pub fn address(number: u64) -> String {
    let [.., a, b, c] = number.to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

fn email(letters: u32, number: u64) -> String {
    format!("{letters:08x}.{number}@example.com")
}

/// Bytes that look like chance and are SHA-256 of a seed, a number and a count: nobody's secrets but of these people.
struct Derived {
    seed: [u8; 16],
    count: std::sync::atomic::AtomicU64,
}

impl Derived {
    fn of(seed: u64, number: u64) -> Self {
        let mut both = [0; 16];
        both[..8].copy_from_slice(&seed.to_be_bytes());
        both[8..].copy_from_slice(&number.to_be_bytes());
        Self { seed: both, count: 0.into() }
    }
}

impl Random for Derived {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(32) {
            let count = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let drawn = Sha256::new().chain_update(self.seed).chain_update(count.to_be_bytes()).finalize();
            part.copy_from_slice(&drawn[..part.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_of_a_number_is_the_same_each_time_and_no_two_are_alike() {
        let population = Population { users: 10, now: OffsetDateTime::UNIX_EPOCH, seed: 1 };
        let (once, again, other) = (population.person(3), population.person(3), population.person(4));
        let (once, again, other) = (once.unwrap(), again.unwrap(), other.unwrap());
        assert_eq!(once.user, again.user);
        assert_ne!(once.user.email, other.user.email);
        let first = |person: &Person| person.sessions[0].0.id_hash;
        assert_eq!(first(&once), first(&again));
        assert_ne!(first(&once), first(&other));
        assert_ne!(once.sessions[0].0.id_hash, once.sessions[1].0.id_hash);
    }
}
