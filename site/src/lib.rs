//! The website: home, dashboard and notes around the accounts of Vestibule.
//!
//! Make it yours: the name is in `main.rs`, menu and footer in `layout.rs` and `templates/layout.html`, the colours
//! in `public/site.css`. **Notes** are the example of a resource of your own. Its parts have the same name in every
//! layer: `models/note.rs` knows the rules, `repository/notes.rs` asks the database, `services/notes.rs` is what
//! people do, `api/notes.rs` and `pages/notes.rs` answer. Copy the five and `migrations/`, and you have another.

#![forbid(unsafe_code)]

pub mod api;
mod layout;
pub mod models;
pub mod pages;
mod public;
pub mod repository;
mod router;
pub mod services;

use vestibule_sql::Migrations;

pub use layout::SiteLayout;
pub use router::{openapi, personal_data, routes};
pub use services::Notes;

/// The site's own tables. They come after those of accounts, to which they refer.
pub const MIGRATIONS: Migrations = Migrations {
    table: "site_migrations",
    sqlite: || sqlx::migrate!("migrations/sqlite"),
    postgres: || sqlx::migrate!("migrations/postgres"),
};
