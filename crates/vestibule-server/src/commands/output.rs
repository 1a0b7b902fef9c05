//! How commands answer: tables for people, JSON for scripts.

use std::io::{IsTerminal, Write};

use serde_json::{Value, json};
use vestibule::models::{Actor, AuditEvent, Session, TrackedMail, User};
use vestibule_web::moments::iso;

use crate::failure::Failure;
use crate::terminal::{harmless, wants_colours};

/// Answers with bytes as they are.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    // Not by `println!`, which panics where nobody reads any more: `site audit tail | head`.
    let mut output = std::io::stdout().lock();
    output.write_all(bytes).and_then(|()| output.flush()).map_err(|error| Failure::of_answer(&error))
}

/// Answers in JSON.
pub(super) fn print_json(value: &Value) -> Result<(), Failure> {
    // JSON lets some control characters stand, which terminals obey. They are only ever within texts.
    let escaped = |character: char| {
        if character.is_control() {
            format!("\\u{:04x}", u32::from(character))
        } else {
            character.to_string()
        }
    };
    print_line(&value.to_string().chars().map(escaped).collect::<String>())
}

/// Answers in words. What others may have written in them is to be [`harmless`].
pub(super) fn print_line(line: &str) -> Result<(), Failure> {
    print_bytes(format!("{line}\n").as_bytes())
}

/// Whether standard output is a terminal that wants colours.
fn has_colours() -> bool {
    wants_colours(std::io::stdout().is_terminal())
}

/// Bold on a terminal.
pub(super) fn bold(text: &str) -> String {
    if has_colours() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// In a colour on a terminal: 31 is red, 32 green, 33 yellow.
pub(super) fn coloured(text: &str, colour: u8) -> String {
    if has_colours() { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Faint on a terminal.
pub(super) fn faint(text: &str) -> String {
    if has_colours() { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
}

/// A table whose columns are as wide as they have to be.
pub(super) fn print_table(heading: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| harmless(cell).into_owned()).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading.get(column).map_or(0, |cell| cell.len())]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            cells.zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    print_line(&bold(&line(&mut heading.iter().copied())))?;
    for row in &rows {
        print_line(&line(&mut row.iter().map(String::as_str)))?;
    }
    Ok(())
}

/// A user as the API shows them, and whether they are disabled.
pub(super) fn user_json(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "email": user.email.as_str(),
        "name": user.name.as_str(),
        "is_email_verified": user.is_email_verified,
        "role": user.role.as_str(),
        "is_disabled": user.is_disabled,
        "created_at": iso(user.created_at),
    })
}

/// A session as the API shows it. None is the asking one.
pub(super) fn session_json(session: &Session) -> Value {
    json!({
        "id": session.public_id.to_string(),
        "created_at": iso(session.created_at),
        "last_seen_at": iso(session.last_seen_at),
        "expires_at": iso(session.expires_at),
        "ip": session.client.ip().map(|ip| ip.to_string()),
        "user_agent": session.client.user_agent(),
    })
}

/// A mail and what became of it.
pub(super) fn mail_json(tracked: &TrackedMail) -> Value {
    let is_over = tracked.finished_at.is_some();
    json!({
        "id": tracked.mail.id.to_string(),
        "kind": tracked.mail.kind.as_str(),
        "recipient": tracked.mail.recipient.as_str(),
        "created_at": iso(tracked.mail.created_at),
        "state": tracked.state.as_str(),
        "attempts": tracked.attempts,
        "next_attempt_at": (!is_over).then(|| iso(tracked.next_attempt_at)),
        "finished_at": tracked.finished_at.map(iso),
        "reason": tracked.reason,
    })
}

/// An event of the audit trail.
pub(super) fn event_json(event: &AuditEvent) -> Value {
    json!({
        "id": event.id.to_string(),
        "kind": event.kind.as_str(),
        "created_at": iso(event.created_at),
        "user_id": event.user_id.map(|id| id.to_string()),
        "actor": event.actor.as_str(),
        "actor_id": event.actor.id().map(|id| id.to_string()),
        "detail": event.detail,
        "ip": event.client.ip().map(|ip| ip.to_string()),
        "user_agent": event.client.user_agent(),
    })
}

/// The same as a line for people.
pub(super) fn event_line(event: &AuditEvent) -> String {
    let detail =
        if event.detail.is_empty() { String::new() } else { format!(" ({})", harmless(&event.detail)) };
    let user = event.user_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let by = match event.actor {
        Actor::Visitor => String::new(),
        Actor::Operator => " by the operator".to_owned(),
        Actor::Admin(Some(id)) => format!(" by admin {id}"),
        Actor::Admin(None) => " by an admin whose account is gone".to_owned(),
    };
    let line = format!("{}  {}{detail}{by}  {user}", iso(event.created_at), bold(event.kind.as_str()));
    if event.actor == Actor::Operator {
        return line;
    }
    let client = format!("{} {}", event.client.place_in_words(), event.client.device_in_words());
    format!("{line}  {}", faint(&harmless(&client)))
}
