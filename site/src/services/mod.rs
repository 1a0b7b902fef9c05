//! What people do on the site.

mod notes;

pub use notes::{NoteError, Notes};
