//! `GET /api/auth/session`.

use axum::Json;
use axum::response::{IntoResponse, Response};

use super::answers::UserAndSession;
use crate::CurrentUser;

/// Who is asking.
pub async fn current_session(current: CurrentUser) -> Response {
    Json(UserAndSession::current(current.user(), current.session())).into_response()
}
