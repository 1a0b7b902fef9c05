//! What each service promises, on both databases, on a clock that is moved.

mod current_session;
mod log_in;
mod log_out;
mod passwords;
mod refresh;
mod round_trips;
mod sign_up;
mod signing_keys;
mod simulation;
