//! Every method of the repository, on both databases from one source.

mod audit_events;
mod constraints;
mod database;
mod fixtures;
mod migrations;
mod outgoing_mails;
mod sessions;
mod signing_keys;
mod users;
