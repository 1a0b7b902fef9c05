//! Accounts for your website: the part that knows the rules.
//!
//! [`Accounts`] is the one door. Behind it, in reading order:
//!
//! 1. [`services`]: one file for each thing a person does (sign up, log in, refresh, log out), each a story on
//!    one screen;
//! 2. [`models`]: the nouns of these stories, which know their own rules and refuse what breaks them;
//! 3. [`repository`]: what the services ask of a store, as traits;
//! 4. [`ports`]: what they need of the world: the time, chance, a place to hash passwords.
//!
//! There is no HTTP here, no SQL and no runtime: `vestibule-web`, `vestibule-sql` and `vestibule-server` bring them.

#![forbid(unsafe_code)]

mod accounts;
mod live_keys;
pub mod models;
pub mod ports;
mod refusals;
pub mod repository;
pub mod services;
mod session_cache;

pub use accounts::{Accounts, OpenError, Policy, Ports};
pub use session_cache::{CacheState, Changed, REMEMBERED_FOR, SessionCache, TRUSTED_FOR};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
