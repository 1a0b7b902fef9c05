use time::OffsetDateTime;
use vestibule::models::UserId;
use vestibule::repository::StoreError;
use vestibule_sql::{At, Connection, Id};

use crate::models::{Note, NoteCursor, NoteId, NoteText};

// Every statement names the owner: a note of somebody else is as if it were not there.

/// Adds a note of a user's.
pub async fn insert_note(connection: &mut Connection, owner: UserId, note: &Note) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO notes
            (id, user_id, title, body, created_at, updated_at)
        VALUES
            ($1, $2, $3, $4, $5, $6)";
    connection
        .write(SQL)
        .bind(Id(note.id.0))
        .bind(Id(owner.as_uuid()))
        .bind(note.text.title.as_str().to_owned())
        .bind(note.text.body.as_str().to_owned())
        .bind(At(note.created_at))
        .bind(At(note.updated_at))
        .execute()
        .await?;
    Ok(())
}

/// One note of a user's.
pub async fn find_note(
    connection: &mut Connection,
    owner: UserId,
    id: NoteId,
) -> Result<Option<Note>, StoreError> {
    const SQL: &str = "
        SELECT id, title, body, created_at, updated_at
        FROM notes
        WHERE id = $1 AND user_id = $2";
    let row: Option<NoteRow> =
        connection.read(SQL).bind(Id(id.0)).bind(Id(owner.as_uuid())).optional().await?;
    row.map(Note::try_from).transpose()
}

/// A user's notes, newest first, after a place in the list.
pub async fn list_notes(
    connection: &mut Connection,
    owner: UserId,
    after: Option<NoteCursor>,
    limit: usize,
) -> Result<Vec<Note>, StoreError> {
    const SQL: &str = "
        SELECT id, title, body, created_at, updated_at
        FROM notes
        WHERE user_id = $1 AND ($2 IS NULL OR id < $2)
        ORDER BY id DESC
        LIMIT $3";
    let rows: Vec<NoteRow> = connection
        .read(SQL)
        .bind(Id(owner.as_uuid()))
        .bind(after.map(|NoteCursor(id)| Id(id.0)))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .all()
        .await?;
    rows.into_iter().map(Note::try_from).collect()
}

/// Puts another text in the place of a note's. Gives the note as it is then; nothing where there is none.
pub async fn update_note(
    connection: &mut Connection,
    owner: UserId,
    id: NoteId,
    text: &NoteText,
    now: OffsetDateTime,
) -> Result<Option<Note>, StoreError> {
    const SQL: &str = "
        UPDATE notes
        SET title = $3, body = $4, updated_at = $5
        WHERE id = $1 AND user_id = $2
        RETURNING id, title, body, created_at, updated_at";
    let row: Option<NoteRow> = connection
        .write(SQL)
        .bind(Id(id.0))
        .bind(Id(owner.as_uuid()))
        .bind(text.title.as_str().to_owned())
        .bind(text.body.as_str().to_owned())
        .bind(At(now))
        .optional()
        .await?;
    row.map(Note::try_from).transpose()
}

/// Removes a note. `false` where there was none.
pub async fn delete_note(connection: &mut Connection, owner: UserId, id: NoteId) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM notes WHERE id = $1 AND user_id = $2";
    let deleted = connection.write(SQL).bind(Id(id.0)).bind(Id(owner.as_uuid())).execute().await?;
    Ok(deleted == 1)
}

#[derive(sqlx::FromRow)]
struct NoteRow {
    id: Id,
    title: String,
    body: String,
    created_at: At,
    updated_at: At,
}

impl TryFrom<NoteRow> for Note {
    type Error = StoreError;

    fn try_from(row: NoteRow) -> Result<Self, StoreError> {
        let text = NoteText::parse(&row.title, &row.body)
            .map_err(|invalid| StoreError::new("a row of notes is broken", invalid))?;
        Ok(Self { id: NoteId(row.id.0), text, created_at: row.created_at.0, updated_at: row.updated_at.0 })
    }
}
