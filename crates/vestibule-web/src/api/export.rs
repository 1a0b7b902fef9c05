//! `GET /api/account/export`.

use crate::problem::ProblemBody;
use ::vestibule::models::AuditEvent;
use ::vestibule::services::Export;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::answers::{SessionBody, UserBody};
use crate::{ClientOf, CurrentUser, Problem, Vestibule};

/// Browsers save it as a file of this name.
const AS_A_FILE: &str = "attachment; filename=\"account.json\"";

#[derive(Serialize)]
struct Body<'a> {
    user: UserBody<'a>,
    sessions: Vec<SessionBody<'a>>,
    events: Vec<EventBody<'a>>,
    /// What the application keeps, under its own names.
    #[serde(flatten)]
    application: serde_json::Map<String, Value>,
}

#[derive(Serialize)]
struct EventBody<'a> {
    kind: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    ip: Option<String>,
    user_agent: Option<&'a str>,
}

impl<'a> From<&'a AuditEvent> for EventBody<'a> {
    fn from(event: &'a AuditEvent) -> Self {
        Self {
            kind: event.kind.as_str(),
            created_at: event.created_at,
            ip: event.client.ip().map(|ip| ip.to_string()),
            user_agent: event.client.user_agent(),
        }
    }
}

/// All that is held about who asks.
#[utoipa::path(
    get,
    path = "/api/account/export",
    operation_id = "export_account",
    tag = "Account",
    responses(
        (status = 200, description = "All that is held about who asks, as a file", body = serde_json::Value),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
    ),
    security(("session" = []), ("bearer" = [])),
)]
pub async fn export(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
) -> Result<Response, Problem> {
    let Export { user, sessions, events, application } =
        vestibule.accounts().export(current.current(), &client).await?;
    let body = Body {
        user: UserBody::from(&user),
        sessions: sessions
            .iter()
            .map(|session| SessionBody::new(session, session.public_id == current.session().public_id))
            .collect(),
        events: events.iter().map(EventBody::from).collect(),
        application: application.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    Ok(([(header::CONTENT_DISPOSITION, AS_A_FILE)], Json(body)).into_response())
}
