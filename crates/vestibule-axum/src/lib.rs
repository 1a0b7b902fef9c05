//! Accounts for an axum application.

#![forbid(unsafe_code)]

mod builder;
mod error;
mod vestibule;
mod workers;

pub use ::vestibule::{Accounts, Policy, models, ports, repository, services};
pub use async_trait::async_trait;
pub use vestibule_house::workers::mail::MailObserver;
pub use vestibule_sql::{
    AccountEvent, AccountHooks, At, Connection, Database, DatabaseUrl, HookError, Id, Migrations,
};
pub use vestibule_web::{
    Check, Content, CurrentUser, DefaultLayout, DevMailbox, Layout, Markup, Page, PageVisit, Problem, Routes,
    Session, SessionMeta, View, Who, assets, mails,
};
pub use {vestibule_sql as sql, vestibule_web as web};

#[cfg(feature = "server")]
pub use vestibule_server as server;

pub use builder::Builder;
pub use error::BuildError;
pub use vestibule::Vestibule;
pub use workers::Workers;
