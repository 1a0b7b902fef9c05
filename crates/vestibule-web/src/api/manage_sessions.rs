//! `/api/account/sessions`.

use crate::problem::ProblemBody;
use ::vestibule::models::PublicSessionId;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::answers::{Sessions, farewell};
use crate::{ClientOf, CurrentUser, Path, Problem, Vestibule};

/// Where one is logged in.
#[utoipa::path(
    get,
    path = "/api/account/sessions",
    operation_id = "list_sessions",
    tag = "Account",
    responses(
        (status = 200, description = "Where one is logged in", body = Sessions),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
    ),
    security(("session" = []), ("bearer" = [])),
)]
pub async fn list(State(vestibule): State<Vestibule>, current: CurrentUser) -> Result<Response, Problem> {
    let sessions = vestibule.accounts().list_sessions(current.current()).await?;
    Ok(Json(Sessions::new(&sessions, current.session())).into_response())
}

/// Ends one session. Where that is the asking one, its cookies are removed.
#[utoipa::path(
    delete,
    path = "/api/account/sessions/{id}",
    operation_id = "end_session",
    tag = "Account",
    responses(
        (status = 204, description = "It has ended"),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
        (status = 404, description = "`not_found`: none of one's own", body = ProblemBody),
    ),
    params(("id" = Uuid, Path, description = "Of the list")),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
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
#[utoipa::path(
    delete,
    path = "/api/account/sessions",
    operation_id = "end_other_sessions",
    tag = "Account",
    responses(
        (status = 204, description = "All but the asking one have ended"),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
        (status = 429, description = "`too_many_requests`", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn end_others(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
) -> Result<StatusCode, Problem> {
    vestibule.accounts().end_other_sessions(current.current(), &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
