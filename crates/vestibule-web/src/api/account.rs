//! `GET /api/account`.

use crate::problem::ProblemBody;
use axum::Json;
use axum::response::{IntoResponse, Response};

use super::answers::UserOnly;
use crate::CurrentUser;

/// Whose account it is.
#[utoipa::path(
    get,
    path = "/api/account",
    operation_id = "show_account",
    tag = "Account",
    responses(
        (status = 200, description = "The account of who asks", body = UserOnly),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
    ),
    security(("session" = []), ("bearer" = [])),
)]
pub async fn account(current: CurrentUser) -> Response {
    Json(UserOnly::from(current.user())).into_response()
}
