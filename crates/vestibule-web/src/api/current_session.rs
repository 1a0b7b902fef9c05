//! `GET /api/auth/session`.

use crate::problem::ProblemBody;
use axum::response::Response;

use super::answers::{self, UserAndSession};
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
    let body = UserAndSession::current(current.user(), current.session());
    answers::told(current.current().told.or_write(|| serde_json::to_vec(&body)))
}
