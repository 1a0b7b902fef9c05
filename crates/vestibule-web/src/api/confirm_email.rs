//! `POST /api/auth/confirm-email`.

use crate::problem::ProblemBody;
use ::vestibule::services::ConfirmEmail;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::UserOnly;
use crate::{ClientOf, CookieValues, CurrentUser, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = ConfirmEmail)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required)]
    token: String,
    #[schema(format = Password)]
    password: Option<String>,
}

/// Confirms the address.
#[utoipa::path(
    post,
    path = "/api/auth/confirm-email",
    operation_id = "confirm_email",
    tag = "Accounts",
    request_body = Body,
    responses(
        (status = 200, description = "The address is confirmed", body = UserOnly),
        (status = 400, description = "`token_invalid`", body = ProblemBody),
        (status = 401, description = "`unauthenticated` with neither session nor password, `invalid_credentials` with a wrong one", body = ProblemBody),
    ),
    security((), ("session" = []), ("bearer" = [])),
)]
pub async fn confirm_email(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    current: Option<CurrentUser>,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let devices = cookies.devices();
    let typed = ConfirmEmail { token: &body.token, password: body.password.as_deref(), devices: &devices };
    let current = current.as_ref().map(CurrentUser::current);
    let user = vestibule.accounts().confirm_email(typed, current, &client).await?;
    Ok(axum::Json(UserOnly::from(&user)).into_response())
}
