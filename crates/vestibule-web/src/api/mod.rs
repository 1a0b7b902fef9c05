//! For programs: JSON in and out, one file for each thing that is done.

pub mod answers;
pub mod current_session;
pub mod health;
pub mod jwks;
pub mod log_in;
pub mod log_out;
pub mod refresh;
pub mod sign_up;
