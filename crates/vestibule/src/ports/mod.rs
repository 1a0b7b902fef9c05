//! What the services need of the world besides a store: the time, chance, a place to hash passwords, and
//! who knows of leaked ones.

mod breached_passwords;
mod clock;
mod hashing_queue;
mod hashing_slots;
mod mailer;
mod password_hasher;
mod personal_data;
mod random;

pub use breached_passwords::BreachedPasswords;
pub use clock::{Clock, Stopwatch, SystemClock, SystemStopwatch};
pub use hashing_queue::QueueCounts;
pub use hashing_slots::{HashingPlan, HashingSlots};
pub use mailer::{MailError, Mailer};
pub use password_hasher::{
    Argon2Parameters, HasherError, HashingLoad, Judgement, Overloaded, PasswordHasher, Standing,
};
pub use personal_data::PersonalData;
pub use random::{OsRandom, Random};
