//! The website as it is served, on both databases.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod account;
mod browser_pages;
mod home;
mod mail_server;
mod mails;
mod menu;
mod notes_api;
mod notes_pages;
mod notes_repository;
mod openapi;
mod own_templates;
mod pages;
mod start;
mod upgrade;
mod walk;
