//! The nouns of the site.

mod note;
mod page_size;

pub use note::{Note, NoteBody, NoteCursor, NoteId, NotePage, NoteText, NoteTitle};
pub use page_size::PageSize;
