//! Vestibule's store on SQLite and on PostgreSQL.
//!
//! 1. [`Database`] connects, migrates and runs statements. It and its parts alone know that there are two drivers.
//! 2. [`SqlStore`] is the store that the services of `vestibule` ask. Each of its files answers one file of
//!    `vestibule::repository`, with the same name, in one SQL text for both databases.
//!
//! 3. [`AccountHooks`] is what an application does when somebody gets an account, confirms their address or goes.
//!
//! An application may keep tables of its own in the same database, with [`Database::alone`], [`Database::begin`]
//! and its own [`Migrations`].

#![forbid(unsafe_code)]

mod audit_events;
mod certificates;
mod database;
mod devices;
mod hooks;
mod invitations;
mod one_time_tokens;
mod outgoing_mails;
mod rate_limits;
mod revocations;
mod service_keys;
mod sessions;
mod sign_up_attempts;
mod signing_keys;
mod store;
mod users;

pub use async_trait::async_trait;
pub use database::{
    AppliedMigration, At, ConnectError, Connection, Database, DatabaseUrl, DatabaseUrlError, EmbeddedFile,
    EmbeddedFileError, Engine, FollowError, Id, KEPT_BY_EACH_DATABASE, MigrateError, Migrations, MoveError,
    MovedTable, PlannedMigration, PoolState, PostgresDump, PostgresServer, Row, SchemaState, Statement,
    Value, end_restored_sql, move_rows,
};
pub use hooks::{AccountEvent, AccountHooks, HookError};
pub use store::{MIGRATIONS, SqlStore};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
