//! What the site adds to the export of an account.

use async_trait::async_trait;
use serde_json::Value;
use vestibule::models::UserId;
use vestibule::ports::PersonalData;
use vestibule::repository::StoreError;

use super::notes::NoteAnswer;
use crate::models::PageSize;
use crate::services::{NoteError, Notes};

/// A user's notes.
pub struct NotesInExport(pub Notes);

#[async_trait]
impl PersonalData for NotesInExport {
    fn name(&self) -> &'static str {
        "notes"
    }

    async fn of(&self, user: UserId) -> Result<Value, StoreError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.0.list(user, after, PageSize::LARGEST).await.map_err(|error| match error {
                NoteError::Store(error) => error,
                error => StoreError::new("the notes of a user were not given", error),
            })?;
            all.extend(page.notes.into_iter().map(NoteAnswer::from));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        serde_json::to_value(all)
            .map_err(|error| StoreError::new("the notes could not be written as JSON", error))
    }
}
