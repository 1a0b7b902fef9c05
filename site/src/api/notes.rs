//! `/api/notes`.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vestibule_web::{CurrentUser, Json, Path, Problem, ProblemBody, Query, nullable_text};

use crate::models::{Note, NoteCursor, NoteId, PageSize};
use crate::services::{NoteError, Notes};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = NoteText)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, min_length = 1, max_length = 200)]
    title: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(max_length = 20_000)]
    body: String,
}

/// Which part of the list.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Range {
    /// `next_cursor` of the part before; nothing for the first part.
    cursor: Option<String>,
    /// From 1 to 100; 20 unless told.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Note)]
pub(super) struct NoteAnswer {
    #[schema(format = Uuid)]
    id: String,
    title: String,
    body: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NoteList)]
struct ListAnswer {
    notes: Vec<NoteAnswer>,
    /// `cursor` of the next part; null where this is the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Some of one's notes, newest first.
#[utoipa::path(
    get,
    path = "/api/notes",
    operation_id = "list_notes",
    tag = "Notes",
    params(Range),
    responses(
        (status = 200, description = "Some of one's notes, newest first", body = ListAnswer),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
        (status = 422, description = "`invalid_input`", body = ProblemBody),
    ),
    security(("session" = []), ("bearer" = [])),
)]
pub async fn list(
    State(notes): State<Notes>,
    current: CurrentUser,
    Query(range): Query<Range>,
) -> Result<Response, Problem> {
    let after =
        range.cursor.filter(|cursor| !cursor.is_empty()).map(|cursor| NoteCursor::parse(&cursor)).transpose();
    let size = range.limit.map_or(Ok(PageSize::default()), |limit| PageSize::parse(&limit));
    let (after, size) = (after.map_err(Problem::invalid)?, size.map_err(Problem::invalid)?);
    let page = notes.list(current.user().id, after, size).await?;
    let answer = ListAnswer {
        next_cursor: page.next.map(|NoteCursor(id)| id.to_string()),
        notes: page.notes.into_iter().map(NoteAnswer::from).collect(),
    };
    Ok(Answer(answer).into_response())
}

/// Writes a new note.
#[utoipa::path(
    post,
    path = "/api/notes",
    operation_id = "create_note",
    tag = "Notes",
    request_body = Body,
    responses(
        (status = 201, description = "The note", body = NoteAnswer, headers(("Location" = String, description = "Its path"))),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
        (status = 422, description = "`invalid_input`", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn create(
    State(notes): State<Notes>,
    current: CurrentUser,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let note = notes.create(current.user().id, &body.title, &body.body).await?;
    let location = format!("/api/notes/{}", note.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Answer(NoteAnswer::from(note))).into_response())
}

/// One note.
#[utoipa::path(
    get,
    path = "/api/notes/{id}",
    operation_id = "show_note",
    tag = "Notes",
    params(("id" = Uuid, Path, description = "Of the list")),
    responses(
        (status = 200, description = "The note", body = NoteAnswer),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
        (status = 404, description = "`not_found`: none of one's own", body = ProblemBody),
    ),
    security(("session" = []), ("bearer" = [])),
)]
pub async fn show(
    State(notes): State<Notes>,
    current: CurrentUser,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let note = notes.find(current.user().id, note_id(&id)?).await?;
    Ok(Answer(NoteAnswer::from(note)).into_response())
}

/// Writes a note anew.
#[utoipa::path(
    put,
    path = "/api/notes/{id}",
    operation_id = "update_note",
    tag = "Notes",
    params(("id" = Uuid, Path, description = "Of the list")),
    request_body = Body,
    responses(
        (status = 200, description = "The note as it is now", body = NoteAnswer),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
        (status = 404, description = "`not_found`: none of one's own", body = ProblemBody),
        (status = 422, description = "`invalid_input`", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn update(
    State(notes): State<Notes>,
    current: CurrentUser,
    Path(id): Path<String>,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let note = notes.update(current.user().id, note_id(&id)?, &body.title, &body.body).await?;
    Ok(Answer(NoteAnswer::from(note)).into_response())
}

/// Throws a note away.
#[utoipa::path(
    delete,
    path = "/api/notes/{id}",
    operation_id = "delete_note",
    tag = "Notes",
    params(("id" = Uuid, Path, description = "Of the list")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
        (status = 404, description = "`not_found`: none of one's own", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn delete(
    State(notes): State<Notes>,
    current: CurrentUser,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    notes.delete(current.user().id, note_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the API of notes looks like.
#[derive(utoipa::OpenApi)]
#[openapi(paths(list, create, show, update, delete))]
pub struct Described;

/// An id that is none names no note.
pub(crate) fn note_id(text: &str) -> Result<NoteId, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

/// The table from the errors of notes to what is told.
impl From<NoteError> for Problem {
    fn from(error: NoteError) -> Self {
        match error {
            NoteError::Invalid(input) => Self::invalid(input),
            NoteError::NotFound => Self::not_found(),
            NoteError::Store(error) => error.into(),
        }
    }
}

impl From<Note> for NoteAnswer {
    fn from(note: Note) -> Self {
        Self {
            id: note.id.to_string(),
            title: note.text.title.as_str().to_owned(),
            body: note.text.body.as_str().to_owned(),
            created_at: note.created_at,
            updated_at: note.updated_at,
        }
    }
}
