//! `GET /api/auth/session`.

use crate::problem::ProblemBody;
use axum::Json;
use axum::response::{IntoResponse, Response};

use super::answers::UserAndSession;
use crate::CurrentUser;

/// Who is asking.
#[utoipa::path(
    get,
    path = "/api/auth/session",
    operation_id = "current_session",
    tag = "Sessions",
    responses(
        (status = 200, description = "Who is asking", body = UserAndSession),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
    ),
    security(("session" = []), ("bearer" = [])),
)]
pub async fn current_session(current: CurrentUser) -> Response {
    Json(UserAndSession::current(current.user(), current.session())).into_response()
}
