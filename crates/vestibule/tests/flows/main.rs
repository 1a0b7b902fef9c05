//! What each service promises, on both databases, on a clock that is moved.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod account;
mod administration;
mod confirm_email;
mod current_session;
mod links;
mod log_in;
mod log_out;
mod passwords;
mod rate_limits;
mod refresh;
mod refresh_model;
mod round_trips;
mod send_mail;
mod sign_up;
mod signing_keys;
mod simulation;
