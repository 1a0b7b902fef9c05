//! For programs: JSON in and out, one file for each thing that is done.

pub mod account;
pub mod answers;
pub mod cancel_email_change;
pub mod change_email;
pub mod change_name;
pub mod change_password;
pub mod confirm_email;
pub mod confirm_password;
pub mod confirm_sign_up;
pub mod current_session;
pub mod delete_account;
pub mod dev_mailbox;
pub mod export;
pub mod forgot_password;
pub mod health;
pub mod judge_password;
pub mod jwks;
pub mod log_in;
pub mod log_out;
pub mod manage_sessions;
pub mod openapi;
pub mod refresh;
pub mod resend_confirmation;
pub mod reset_password;
pub mod sign_up;
pub mod verify;
