//! `POST /api/auth/reset-password`.

use crate::problem::ProblemBody;
use ::vestibule::services::ResetPassword;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::set;
use crate::{ClientOf, CookieValues, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = ResetPassword)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required)]
    token: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Password)]
    password: String,
}

/// Sets a new password for who got the link.
#[utoipa::path(
    post,
    path = "/api/auth/reset-password",
    operation_id = "reset_password",
    tag = "Accounts",
    request_body = Body,
    responses(
        (status = 204, description = "The password is set, and every session has ended"),
        (status = 400, description = "`token_invalid`", body = ProblemBody),
        (status = 422, description = "`invalid_input`; the link stays good", body = ProblemBody),
    ),
)]
pub async fn reset_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let devices = cookies.devices();
    let typed = ResetPassword { token: &body.token, password: &body.password, devices: &devices };
    let device = vestibule.accounts().reset_password(typed, &client).await?;
    Ok((StatusCode::NO_CONTENT, set(vec![vestibule.cookie_names().device_cookie(&device)])).into_response())
}
