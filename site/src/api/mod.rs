//! The site for programs.

pub mod notes;
