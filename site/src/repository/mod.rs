//! What the site asks of the database. One SQL text serves SQLite and PostgreSQL.

mod notes;

pub use notes::{delete_note, find_note, insert_note, list_notes, update_note};
