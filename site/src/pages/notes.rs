//! `/notes`.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use vestibule_web::pages::form_page;
use vestibule_web::{CurrentUser, DraftId, FieldErrors, Form, PageVisit, Path, Problem, Query, Vestibule};

use crate::api::notes::note_id;
use crate::models::{Note, NoteCursor, NoteId, PageSize};
use crate::services::{NoteError, Notes};
use vestibule_web::moments::{iso, minute};

/// How much of a note the list shows, in characters.
const EXCERPT: usize = 160;

/// Which part of the list.
#[derive(Deserialize)]
pub struct Range {
    cursor: Option<String>,
}

/// What is written.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    title: String,
    body: String,
    #[serde(rename = "vestibule_draft")]
    draft: DraftId,
}

#[derive(Template)]
#[template(path = "notes.html")]
struct NotesTemplate {
    notes: Vec<NoteItem>,
    next_page: Option<String>,
    is_first_page: bool,
}

struct NoteItem {
    href: String,
    title: String,
    excerpt: String,
    updated: String,
    updated_iso: String,
}

#[derive(Template)]
#[template(path = "note.html")]
struct NoteTemplate<'a> {
    note: NoteView<'a>,
    updated: String,
    updated_iso: String,
    edit_href: String,
    delete_href: String,
    csrf_token: &'a str,
}

struct NoteView<'a> {
    title: &'a str,
    body: &'a str,
}

#[derive(Template)]
#[template(path = "note_form.html")]
struct NoteFormTemplate<'a> {
    heading: &'a str,
    action: String,
    is_new: bool,
    form: &'a Fields,
    errors: FieldErrors,
    summary: Option<&'a str>,
    csrf_token: &'a str,
    cancel_href: String,
    submit_label: &'a str,
}

/// One's notes, newest first.
pub async fn list(
    State(vestibule): State<Vestibule>,
    State(notes): State<Notes>,
    current: CurrentUser,
    visit: PageVisit,
    Query(range): Query<Range>,
) -> Result<Response, Problem> {
    let after = range
        .cursor
        .map(|cursor| NoteCursor::parse(&cursor))
        .transpose()
        .map_err(|_| Problem::not_found())?;
    let page = notes.list(current.user().id, after, PageSize::default()).await?;
    let content = NotesTemplate {
        next_page: page.next.map(|NoteCursor(id)| format!("/notes?cursor={id}")),
        is_first_page: after.is_none(),
        notes: page.notes.iter().map(NoteItem::from).collect(),
    };
    Ok(vestibule.page(&visit, "Notes", &content))
}

/// The form of a new note.
pub async fn new(State(vestibule): State<Vestibule>, visit: PageVisit) -> Response {
    form(&vestibule, &visit, None, &Fields::default(), None)
}

/// Writes a new note, or shows the form again.
pub async fn create(
    State(vestibule): State<Vestibule>,
    State(notes): State<Notes>,
    current: CurrentUser,
    visit: PageVisit,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let written = notes.create(current.user().id, &fields.title, &fields.body).await;
    after_writing(&vestibule, &visit, None, &fields, written)
}

/// One note.
pub async fn show(
    State(vestibule): State<Vestibule>,
    State(notes): State<Notes>,
    current: CurrentUser,
    visit: PageVisit,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let note = notes.find(current.user().id, note_id(&id)?).await?;
    let content = NoteTemplate {
        note: NoteView { title: note.text.title.as_str(), body: note.text.body.as_str() },
        updated: minute(note.updated_at),
        updated_iso: iso(note.updated_at),
        edit_href: format!("/notes/{}/edit", note.id),
        delete_href: format!("/notes/{}/delete", note.id),
        csrf_token: visit.csrf_token(),
    };
    Ok(vestibule.page(&visit, note.text.title.as_str(), &content))
}

/// The form of a note, as it is.
pub async fn edit(
    State(vestibule): State<Vestibule>,
    State(notes): State<Notes>,
    current: CurrentUser,
    visit: PageVisit,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let note = notes.find(current.user().id, note_id(&id)?).await?;
    let fields = Fields {
        title: note.text.title.as_str().to_owned(),
        body: note.text.body.as_str().to_owned(),
        ..Fields::default()
    };
    Ok(form(&vestibule, &visit, Some(note.id), &fields, None))
}

/// Writes a note anew, or shows the form again.
pub async fn update(
    State(vestibule): State<Vestibule>,
    State(notes): State<Notes>,
    current: CurrentUser,
    visit: PageVisit,
    Path(id): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let id = note_id(&id)?;
    let written = notes.update(current.user().id, id, &fields.title, &fields.body).await;
    after_writing(&vestibule, &visit, Some(id), &fields, written)
}

/// Throws a note away.
pub async fn delete(
    State(notes): State<Notes>,
    current: CurrentUser,
    Path(id): Path<String>,
) -> Result<Redirect, Problem> {
    notes.delete(current.user().id, note_id(&id)?).await?;
    Ok(Redirect::to("/notes"))
}

/// To the note, or back to the form with everything that was typed.
fn after_writing(
    vestibule: &Vestibule,
    visit: &PageVisit,
    id: Option<NoteId>,
    fields: &Fields,
    written: Result<Note, NoteError>,
) -> Result<Response, Problem> {
    match written.map_err(Problem::from) {
        Ok(note) => Ok(fields.draft.saved(&format!("/notes/{}", note.id)).into_response()),
        Err(problem) if problem.keeps_the_form() => Ok(form(vestibule, visit, id, fields, Some(&problem))),
        Err(problem) => Err(problem),
    }
}

fn form(
    vestibule: &Vestibule,
    visit: &PageVisit,
    id: Option<NoteId>,
    fields: &Fields,
    problem: Option<&Problem>,
) -> Response {
    let (heading, submit_label) =
        if id.is_some() { ("Edit note", "Save") } else { ("New note", "Save note") };
    let page = id.map_or_else(|| "/notes".to_owned(), |id| format!("/notes/{id}"));
    form_page(vestibule, visit, heading, problem, |errors, summary| NoteFormTemplate {
        heading,
        action: page.clone(),
        is_new: id.is_none(),
        form: fields,
        errors,
        summary,
        csrf_token: visit.csrf_token(),
        cancel_href: page,
        submit_label,
    })
}

impl From<&Note> for NoteItem {
    fn from(note: &Note) -> Self {
        let body = note.text.body.as_str();
        let mut excerpt: String = body.chars().take(EXCERPT).collect();
        if body.chars().nth(EXCERPT).is_some() {
            excerpt.push('…');
        }
        Self {
            href: format!("/notes/{}", note.id),
            title: note.text.title.as_str().to_owned(),
            excerpt,
            updated: minute(note.updated_at),
            updated_iso: iso(note.updated_at),
        }
    }
}
