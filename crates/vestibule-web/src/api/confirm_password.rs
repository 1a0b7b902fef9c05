//! `POST /api/auth/confirm-password`.

use crate::problem::ProblemBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers;
use crate::{ClientOf, CurrentUser, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = ConfirmPassword)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Password)]
    password: String,
}

/// Takes the password once more. What asks for a recent one is open for ten minutes then. A browser gets a new session in
/// the place of its old one.
#[utoipa::path(
    post,
    path = "/api/auth/confirm-password",
    operation_id = "confirm_password",
    tag = "Sessions",
    request_body = Body,
    responses(
        (status = 204, description = "What asks for a recent password is open for ten minutes; a browser gets the cookies of a new session"),
        (status = 401, description = "Nobody is logged in, or `invalid_credentials`", body = ProblemBody),
        (status = 422, description = "`invalid_input`", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn confirm_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let renewed = accounts.confirm_password(current.current(), &body.password, &client).await?;
    Ok((StatusCode::NO_CONTENT, answers::renewed(&vestibule, renewed)).into_response())
}
