//! `POST /admin/users/{id}/sessions/…`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::{administrator, done};
use crate::{ClientOf, CurrentUser, Path, Problem, Vestibule};

/// Ends one session of a user.
pub async fn end(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Path((id, session)): Path<(Uuid, Uuid)>,
) -> Result<Response, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    vestibule.accounts().end_session_of(id.into(), session.into(), &by).await?;
    Ok(done(id.into(), "session-ended").into_response())
}

/// Ends all sessions of a user.
pub async fn end_all(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    vestibule.accounts().end_sessions_of(id.into(), &by).await?;
    Ok(done(id.into(), "sessions-ended").into_response())
}
