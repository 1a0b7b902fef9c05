//! What the tests of all crates share.
//!
//! - [`TestDatabase`]: a database of its own for each test, on SQLite or PostgreSQL;
//! - [`FakeClock`]: time that is moved and never slept;
//! - [`House`]: accounts over both, for tests that call the services;
//! - [`Changed`]: a real hasher of which a test changes something;
//! - [`Post`]: where their mails arrive, and can be made to fail;
//! - [`TestServer`] with the kinds of client [`Anonymous`], [`Browser`] and [`Program`], for tests that speak HTTP.
//!
//! Helpers go through the same doors as everybody: a signed-up user has signed up.

#![forbid(unsafe_code)]

mod clients;
mod clock;
mod databases;
mod dice;
mod hasher;
mod house;
mod post;
mod server;

pub use clients::{Anonymous, Answer, Browser, Program};
pub use clock::FakeClock;
pub use databases::{DatabaseKind, TestDatabase};
pub use dice::Dice;
pub use hasher::{Changed, HasherChange, least_slots};
pub use house::{
    House, HouseOptions, PASSWORD, client, generous, presented, reading, secret_key, signing_up, values,
    writing,
};
pub use post::{Post, in_hex, link_of};
pub use server::{ServerOptions, TestServer};
