//! Vestibule for axum: sign-up, log-in, sessions and their protection as a [`Router`](axum::Router).
//!
//! In reading order:
//!
//! 1. `router.rs`: the table of contents, every route and who may call it;
//! 2. [`api`] and [`pages`]: one file for each thing a person does, with the names of `vestibule::services`;
//! 3. [`guard`]: the check that stands before every route;
//! 4. [`Problem`]: what is answered when something cannot be done, to programs and to people;
//! 5. [`Layout`]: where an application puts its own header, menu and footer around the pages, and its own templates in
//!    the places of those here.
//!
//! An application that has a [`Router`](axum::Router) of its own puts the same guards before its routes as [layers](Check).
//!
//! A handler reads the request, calls one service and answers. It never opens a transaction.

#![forbid(unsafe_code)]

pub mod api;
mod arrival;
pub mod assets;
mod body;
mod client;
mod cookies;
mod dev_mailbox;
mod draft;
mod entrance;
mod forwarded;
pub mod guard;
mod headers;
mod layers;
mod layout;
pub mod mails;
pub mod moments;
mod next;
mod observer;
pub mod pages;
mod problem;
mod request_id;
mod request_log;
mod router;
mod routes;
mod session;
mod trusted_proxies;
mod vestibule;
mod views;

pub use body::{BodyTooSlow, Form, Json, Path, Query, nullable_text};
pub use client::ClientOf;
pub use cookies::{CookieNames, CookieValues};
pub use dev_mailbox::DevMailbox;
pub use draft::DraftId;
pub use forwarded::{ForwardedRequest, Malformed};
pub use guard::{CurrentUser, PageVisit, Who};
pub use layers::{Check, Checked};
pub use layout::{DefaultLayout, Layout, Page, SessionMeta};
pub use next::Next;
pub use observer::{Answered, RequestObserver};
pub use problem::{FieldErrors, Problem, ProblemBody};
pub use request_id::request_id;
pub use request_log::{ANSWERS_ARE_HELD_FOR, ErrorPage};
pub use router::routes;
pub use routes::{Face, Route, Routes};
pub use session::Session;
pub use trusted_proxies::TrustedProxies;
pub use vestibule::{Parts, Readiness, Vestibule};
pub use views::{Content, Markup, View};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
