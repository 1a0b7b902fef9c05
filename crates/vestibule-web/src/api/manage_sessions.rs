//! `/api/account/sessions`.

use ::vestibule::models::PublicSessionId;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::answers::{Sessions, farewell};
use crate::{ClientOf, CurrentUser, Path, Problem, Vestibule};

/// Where one is logged in.
pub async fn list(State(vestibule): State<Vestibule>, current: CurrentUser) -> Result<Response, Problem> {
    let sessions = vestibule.accounts().list_sessions(current.current()).await?;
    Ok(Json(Sessions::new(&sessions, current.session())).into_response())
}

/// Ends one session. Where that is the asking one, its cookies are removed.
pub async fn end(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let id = PublicSessionId::from(id);
    vestibule.accounts().end_session(current.current(), id, &client).await?;
    if current.session().public_id == id {
        return Ok((farewell(&vestibule), StatusCode::NO_CONTENT).into_response());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends all sessions but the asking one.
pub async fn end_others(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
) -> Result<StatusCode, Problem> {
    vestibule.accounts().end_other_sessions(current.current(), &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
