//! `POST /api/account/email`.

use crate::problem::ProblemBody;
use ::vestibule::services::ChangeEmail;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{ClientOf, CurrentUser, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = ChangeEmail)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Email)]
    email: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Password)]
    current_password: String,
}

/// Begins to change the address.
#[utoipa::path(
    post,
    path = "/api/account/email",
    operation_id = "change_email",
    tag = "Account",
    request_body = Body,
    responses(
        (status = 202, description = "Nothing changes until the new address is confirmed"),
        (status = 401, description = "Nobody is logged in, or `invalid_credentials`", body = ProblemBody),
        (status = 422, description = "`invalid_input`", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn change_email(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Json(body): Json<Body>,
) -> Result<StatusCode, Problem> {
    let typed = ChangeEmail { email: &body.email, current_password: &body.current_password };
    vestibule.accounts().change_email(current.current(), typed, &client).await?;
    Ok(StatusCode::ACCEPTED)
}
