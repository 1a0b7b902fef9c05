//! The mails: their words, and how they leave the house.

mod letter;

pub use letter::{Letter, Transport};
