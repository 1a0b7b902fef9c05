//! Every method of the repository, on both databases from one source.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod audit_events;
mod certificates;
mod constraints;
mod database;
mod devices;
mod fixtures;
mod hooks;
mod invitations;
mod migrations;
mod one_time_tokens;
mod outgoing_mails;
mod rate_limits;
mod revocations;
mod service_keys;
mod sessions;
mod sign_up_attempts;
mod signing_keys;
mod users;
