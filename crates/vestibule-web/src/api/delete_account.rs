//! `DELETE /api/account`.

use crate::problem::ProblemBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::farewell;
use crate::{ClientOf, CurrentUser, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = DeleteAccount)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Password)]
    current_password: String,
}

/// Removes the account and everything that belongs to it.
#[utoipa::path(
    delete,
    path = "/api/account",
    operation_id = "delete_account",
    tag = "Account",
    request_body = Body,
    responses(
        (status = 204, description = "Everything of the account is gone; removes the cookies"),
        (status = 401, description = "Nobody is logged in, or `invalid_credentials`", body = ProblemBody),
        (status = 409, description = "`conflict`: the last admin stays", body = ProblemBody),
        (status = 422, description = "`invalid_input`", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn delete_account(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    vestibule.accounts().delete_account(current.current(), &body.current_password, &client).await?;
    Ok((farewell(&vestibule), StatusCode::NO_CONTENT).into_response())
}
