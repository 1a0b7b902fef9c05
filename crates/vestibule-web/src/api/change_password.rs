//! `POST /api/account/password`.

use crate::problem::ProblemBody;
use ::vestibule::services::ChangePassword;
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
#[schema(as = ChangePassword)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Password)]
    current_password: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Password)]
    new_password: String,
}

/// Changes the password. A browser gets a new session in the place of its old one.
#[utoipa::path(
    post,
    path = "/api/account/password",
    operation_id = "change_password",
    tag = "Account",
    request_body = Body,
    responses(
        (status = 204, description = "Changed, and every other session has ended; a browser gets the cookies of a new session"),
        (status = 401, description = "Nobody is logged in, or `invalid_credentials`", body = ProblemBody),
        (status = 422, description = "`invalid_input`", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn change_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let typed = ChangePassword { current_password: &body.current_password, new_password: &body.new_password };
    let renewed = accounts.change_password(current.current(), typed, &client).await?;
    Ok((StatusCode::NO_CONTENT, answers::renewed(&vestibule, renewed)).into_response())
}
