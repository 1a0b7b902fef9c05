use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;
use uuid::Uuid;
use vestibule::models::{InvalidField, InvalidInput};

const MAX_TITLE: usize = 200;
const MAX_BODY: usize = 20_000;

/// Names a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoteId(pub Uuid);

/// A title: 1 to 200 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteTitle(String);

/// What is noted: up to 20,000 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteBody(String);

/// What a person writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteText {
    /// The title.
    pub title: NoteTitle,
    /// The rest.
    pub body: NoteBody,
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its name.
    pub id: NoteId,
    /// What was written.
    pub text: NoteText,
    /// When it was first written.
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
}

/// Some notes, newest first, and where those after them begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotePage {
    /// The notes.
    pub notes: Vec<Note>,
    /// None where there are no more.
    pub next: Option<NoteCursor>,
}

/// A place in a list: after this note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoteCursor(pub NoteId);

impl NoteText {
    /// Reads what somebody wrote. All that is wrong is said at once.
    pub fn parse(title: &str, body: &str) -> Result<Self, InvalidInput> {
        // Browsers send line breaks as CR LF and count them as one character.
        let (title, body) = (title.trim().to_owned(), body.replace("\r\n", "\n"));
        let mut fields = Vec::new();
        let mut refuse = |field, code, message: String| fields.push(InvalidField { field, code, message });
        if title.is_empty() {
            refuse("title", "required", "Give the note a title.".into());
        } else if title.chars().count() > MAX_TITLE {
            refuse("title", "too_long", format!("This title is too long: at most {MAX_TITLE} characters."));
        } else if title.chars().any(char::is_control) {
            refuse("title", "malformed", "A title is one line of plain text.".into());
        }
        if body.chars().count() > MAX_BODY {
            refuse("body", "too_long", "This note is too long: at most 20,000 characters.".into());
        } else if body.contains('\0') {
            // The one character that PostgreSQL does not store.
            refuse("body", "malformed", "This note has a character (NUL) that cannot be stored.".into());
        }
        match InvalidInput::unless_empty(fields) {
            Some(invalid) => Err(invalid),
            None => Ok(Self { title: NoteTitle(title), body: NoteBody(body) }),
        }
    }
}

impl NoteTitle {
    /// The title as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NoteBody {
    /// The body as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NoteId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

impl fmt::Display for NoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl NoteCursor {
    /// Reads a cursor that an earlier page gave.
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        let message = "This place in the list is not one that an earlier page gave.";
        text.parse().map(Self).map_err(|_| InvalidInput::one("cursor", "malformed", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(title: &str, body: &str) -> Vec<(&'static str, &'static str)> {
        let invalid = NoteText::parse(title, body).err().map(|invalid| invalid.fields).unwrap_or_default();
        invalid.into_iter().map(|invalid| (invalid.field, invalid.code)).collect()
    }

    #[test]
    fn title_and_body_are_bounded_in_characters() {
        assert_eq!(codes(&"é".repeat(200), &"é".repeat(20_000)), []);
        assert_eq!(
            codes(&"é".repeat(201), &"é".repeat(20_001)),
            [("title", "too_long"), ("body", "too_long")]
        );
        assert_eq!(codes("  ", ""), [("title", "required")]);
        assert_eq!(codes("a\nb", "a\nb"), [("title", "malformed")]);
        assert_eq!(codes("a", "a\0b"), [("body", "malformed")]);
    }

    #[test]
    fn line_breaks_of_browsers_are_kept_as_one_character() {
        let text = NoteText::parse(" Milk ", "a\r\nb").unwrap();
        assert_eq!((text.title.as_str(), text.body.as_str()), ("Milk", "a\nb"));
        assert_eq!(codes("a", &"\r\n".repeat(20_000)), []);
    }
}
