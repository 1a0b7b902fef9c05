//! `GET /dev/mailbox.json`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use time::OffsetDateTime;

use crate::pages::dev_mailbox::OfThisMachine;

#[derive(Serialize)]
struct LetterBody<'a> {
    to: &'a str,
    subject: &'a str,
    text: &'a str,
    html: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// The mails that were not really sent, newest first.
pub async fn mailbox(mailbox: OfThisMachine) -> Response {
    let letters = mailbox.letters();
    let bodies: Vec<_> = letters
        .iter()
        .map(|letter| LetterBody {
            to: letter.to.as_str(),
            subject: &letter.subject,
            text: &letter.text,
            html: &letter.html,
            created_at: letter.created_at,
        })
        .collect();
    Json(bodies).into_response()
}
