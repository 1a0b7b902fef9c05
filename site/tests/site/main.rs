//! The website as it is served, on both databases.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod account;
mod home;
mod menu;
mod notes_api;
mod notes_pages;
mod notes_repository;
mod own_templates;
mod pages;
mod start;
mod walk;
