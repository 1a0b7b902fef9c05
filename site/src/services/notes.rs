use std::sync::Arc;

use vestibule::models::{InvalidInput, UserId};
use vestibule::ports::{Clock, Random};
use vestibule::repository::StoreError;
use vestibule_sql::Database;

use crate::models::{Note, NoteCursor, NoteId, NotePage, NoteText, PageSize};
use crate::repository;

/// What a user does with notes of their own. Those of others are as if they were not there.
#[derive(Clone)]
pub struct Notes {
    database: Database,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// Why something was not done with a note.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// Something has to be written in another way.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The user has no such note.
    #[error("there is no such note")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Notes {
    /// Notes kept in a database.
    pub fn new(database: Database, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { database, clock, random }
    }

    /// Writes a new note.
    pub async fn create(&self, owner: UserId, title: &str, body: &str) -> Result<Note, NoteError> {
        let text = NoteText::parse(title, body)?;
        let now = self.clock.now();
        let note = Note { id: NoteId(self.random.uuid_v7(now)), text, created_at: now, updated_at: now };
        repository::insert_note(&mut self.database.alone(), owner, &note).await?;
        Ok(note)
    }

    /// Some notes, newest first.
    pub async fn list(
        &self,
        owner: UserId,
        after: Option<NoteCursor>,
        size: PageSize,
    ) -> Result<NotePage, NoteError> {
        // One more than asked for tells whether there are more.
        let mut notes =
            repository::list_notes(&mut self.database.alone(), owner, after, size.get() + 1).await?;
        let has_more = notes.len() > size.get();
        notes.truncate(size.get());
        let next = notes.last().filter(|_| has_more).map(|last| NoteCursor(last.id));
        Ok(NotePage { notes, next })
    }

    /// One note.
    pub async fn find(&self, owner: UserId, id: NoteId) -> Result<Note, NoteError> {
        repository::find_note(&mut self.database.alone(), owner, id).await?.ok_or(NoteError::NotFound)
    }

    /// Writes a note anew.
    pub async fn update(
        &self,
        owner: UserId,
        id: NoteId,
        title: &str,
        body: &str,
    ) -> Result<Note, NoteError> {
        let text = NoteText::parse(title, body)?;
        let now = self.clock.now();
        let updated = repository::update_note(&mut self.database.alone(), owner, id, &text, now).await?;
        updated.ok_or(NoteError::NotFound)
    }

    /// Throws a note away.
    pub async fn delete(&self, owner: UserId, id: NoteId) -> Result<(), NoteError> {
        let is_deleted = repository::delete_note(&mut self.database.alone(), owner, id).await?;
        if is_deleted { Ok(()) } else { Err(NoteError::NotFound) }
    }
}
