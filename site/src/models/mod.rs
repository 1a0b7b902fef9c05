//! The nouns of the site.

mod note;

pub use note::{Cursor, Note, NoteBody, NoteId, NotePage, NoteText, NoteTitle, PageSize};
