//! What each service promises, on both databases, on a clock that is moved.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod account;
mod administration;
mod breached_passwords;
mod confirm_email;
mod confirm_sign_up;
mod current_session;
mod follow_revocations;
mod hooks;
mod invite;
mod judge_password;
mod links;
mod log_in;
mod log_out;
mod manage_service_keys;
mod passwords;
mod rate_limits;
mod refresh;
mod refresh_checked;
mod refresh_model;
mod refresh_replayed;
mod rotate_keys;
mod round_trips;
mod secret_keys;
mod send_mail;
mod session_cache;
mod sign_up;
mod signing_keys;
mod simulation;
