//! The site for programs.

pub mod export;
pub mod notes;
