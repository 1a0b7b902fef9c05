//! One file for each command.

pub(crate) mod config;
pub(crate) mod migrate;
pub(crate) mod serve;
pub(crate) mod user;
