//! `GET /api/account`.

use axum::Json;
use axum::response::{IntoResponse, Response};

use super::answers::UserOnly;
use crate::CurrentUser;

/// Whose account it is.
pub async fn account(current: CurrentUser) -> Response {
    Json(UserOnly::from(current.user())).into_response()
}
