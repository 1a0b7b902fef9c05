//! Accounts for an axum application: sign-up, log-in, sessions, password reset, roles, an account page and administration, as a
//! [`Router`](axum::Router) to merge, layers to put before routes, and extractors for handlers.
//!
//! # A tour
//!
//! [`Vestibule::builder`] puts accounts together. On a developer's machine it needs to be told nothing; `open` makes the tables.
//! What it gives is cheap to clone and made to be a part of the application's state, whatever else is in there:
//!
//! ```
//! use axum::extract::{FromRef, State};
//! use axum::{Router, routing::get};
//! use vestibule_axum::{CurrentUser, Session, Vestibule};
//!
//! #[derive(Clone)]
//! struct AppState {
//!     greeting: &'static str,
//!     vestibule: Vestibule,
//! }
//!
//! // Who is logged in, beside the application's own state. Nothing but a passed check makes a `CurrentUser`.
//! async fn greet(State(app): State<AppState>, current: CurrentUser, session: Session) -> String {
//!     format!("{}, {}. Your session ends at {}.", app.greeting, current.user().name, session.expires_at)
//! }
//!
//! async fn home(current: Option<CurrentUser>) -> &'static str {
//!     if current.is_some() { "welcome back" } else { "welcome" }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use tower::ServiceExt as _;
//! # let folder = tempfile::tempdir()?;
//! # let database_url = format!("sqlite://{}/app.db", folder.path().display());
//! let vestibule = Vestibule::builder().site_name("Orchard").database_url(database_url).roles(["editor"]).open().await?;
//!
//! let everybody = Router::new().route("/", get(home)).route_layer(vestibule.optional_user());
//! let members = Router::new().route("/greet", get(greet)).route_layer(vestibule.require_log_in());
//! let editors = Router::new().route("/drafts", get(greet)).route_layer(vestibule.require_role("editor"));
//! let app: Router = everybody
//!     .merge(members)
//!     .merge(editors)
//!     .merge(vestibule.router()) // /sign-up, /log-in, /account, /admin, /api/auth/… at the root
//!     .fallback(vestibule.not_found())
//!     .with_state(AppState { greeting: "hello", vestibule: vestibule.clone() });
//!
//! // In an application: vestibule.serve("127.0.0.1:3000", app).await?;
//! let asked = axum::http::Request::get("/greet").header("accept", "text/html").body(axum::body::Body::empty())?;
//! let answer = app.oneshot(asked).await?;
//! assert_eq!(answer.status(), 303);
//! assert_eq!(answer.headers()["location"], "/log-in?next=%2Fgreet");
//! # Ok(())
//! # }
//! ```
//!
//! **Layers** ([`Check`]) do all that stands before the pages of accounts themselves: the session, the CSRF token, a refresh within the
//! request, dead cookies, disabled users, `Cache-Control: private, no-store`. A browser is led to the log-in page and back, a program
//! gets `application/problem+json`. Forms carry the token of [`PageVisit::csrf_token`] or [`Session::csrf_token`] in a field
//! `csrf_token`, scripts send it in the header `X-CSRF-Token`.
//!
//! **Pages** of the application stand in the same [`Layout`] as those of accounts: [`Vestibule::page`] takes an askama template, or
//! [`Markup`] of any other engine.
//!
//! **Hooks** ([`AccountHooks`]) tell the application when somebody gets an account, confirms their address or goes, by whichever way.
//! They run in the transaction of the change, write the application's own rows by its connection, and may refuse:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let database_url = format!("sqlite://{}/app.db", folder.path().display());
//! use std::error::Error as _;
//!
//! use vestibule_axum::models::{Role, User};
//! use vestibule_axum::services::{AddUser, Administrator};
//! use vestibule_axum::{AccountHooks, Connection, HookError, Id, Vestibule, async_trait};
//!
//! struct Profiles;
//!
//! #[async_trait]
//! impl AccountHooks for Profiles {
//!     async fn created(&self, user: &User, connection: &mut Connection) -> Result<(), HookError> {
//!         let sql = "INSERT INTO profiles (user_id) VALUES ($1)";
//!         connection.write(sql).bind(Id(user.id.as_uuid())).execute().await?;
//!         Ok(())
//!     }
//!
//!     async fn deleted(&self, _user: &User, _connection: &mut Connection) -> Result<(), HookError> {
//!         Err(HookError::refuse("Nobody leaves."))
//!     }
//! }
//!
//! let vestibule = Vestibule::builder().database_url(database_url).hooks(Profiles).open().await?;
//! let table = "CREATE TABLE profiles (user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE)";
//! vestibule.database().alone().write(table).execute().await?;
//!
//! let operator = Administrator::at_the_command_line();
//! let ann = AddUser {
//!     name: "Ann",
//!     email: "ann@example.com",
//!     password: "copper window thursday",
//!     role: &Role::User,
//!     is_email_verified: true,
//! };
//! let ann = vestibule.accounts().add_user(ann, &operator).await?;
//! assert_eq!(vestibule.database().alone().write("DELETE FROM profiles").execute().await?, 1);
//!
//! let refused = vestibule.accounts().delete_user(ann.id, &operator).await.unwrap_err();
//! assert_eq!(refused.source().map(ToString::to_string).as_deref(), Some("Nobody leaves."));
//! # Ok(())
//! # }
//! ```
//!
//! **Tables** of the application live beside those of accounts, with migrations of their own ([`Builder::migrations`], or any other
//! way after [`Builder::open`]). Where it has a table `users` already, the accounts get a [schema](Builder::schema) or a file.
//!
//! **Workers** send mails and clean up: [`Vestibule::serve`] runs them, [`Vestibule::start_workers`] gives them alone.
//!
//! **Everything else** that can be done with accounts is a method of [`Accounts`], which [`Vestibule::accounts`] gives.
//!
//! # Features
//!
//! - `server`: the crate `vestibule-server`: settings from the environment (`Builder::settings`), mail by SMTP or a provider, the
//!   command line, TLS, backups, metrics. Without it an application gives its own [`mail_transport`](Builder::mail_transport), or none on
//!   localhost, where mails can be read at `/dev/mailbox`.

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
    Answered, Check, Content, CurrentUser, DefaultLayout, DevMailbox, Layout, Markup, Page, PageVisit,
    Problem, RequestObserver, Routes, Session, SessionMeta, View, Who, assets, mails,
};
pub use {vestibule_sql as sql, vestibule_web as web};

#[cfg(feature = "server")]
pub use vestibule_server as server;

pub use builder::Builder;
pub use error::BuildError;
pub use vestibule::Vestibule;
pub use workers::Workers;

/// What the first page says is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
