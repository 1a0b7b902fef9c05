//! The website as it is served, on both databases.

mod home;
mod menu;
mod notes_api;
mod notes_pages;
mod notes_repository;
mod pages;
mod start;
mod walk;
