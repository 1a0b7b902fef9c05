//! One file for each command, with the name of its service where it has one.

mod add_user;
pub(crate) mod audit_trail;
pub(crate) mod backup;
pub(crate) mod calibrate_hash;
mod change_role;
pub(crate) mod check_health;
pub(crate) mod completions;
pub(crate) mod config;
mod delete_user;
mod disable_user;
pub(crate) mod doctor;
mod find_users;
mod hand_out_link;
mod invite;
pub(crate) mod manage_mails;
pub(crate) mod manage_service_keys;
pub(crate) mod manage_sessions;
pub(crate) mod migrate;
pub(crate) mod move_database;
mod office;
pub(crate) mod openapi;
mod output;
pub(crate) mod passwords;
pub(crate) mod restore;
pub(crate) mod rotate_keys;
pub(crate) mod serve;
pub(crate) mod user;
