//! `GET /dev/mailbox.json`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use time::OffsetDateTime;

use crate::pages::dev_mailbox::of_this_machine;
use crate::{Problem, Vestibule};

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
pub async fn mailbox(State(vestibule): State<Vestibule>, headers: HeaderMap) -> Result<Response, Problem> {
    let letters = of_this_machine(&vestibule, &headers)?.letters();
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
    Ok(Json(bodies).into_response())
}
