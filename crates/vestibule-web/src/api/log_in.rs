//! `POST /api/auth/log-in`.

use crate::problem::ProblemBody;
use ::vestibule::services::LogIn;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers;
use super::answers::UserAndSession;
use crate::{ClientOf, CookieValues, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = LogIn)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Email)]
    email: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Password)]
    password: String,
}

/// Logs in.
#[utoipa::path(
    post,
    path = "/api/auth/log-in",
    operation_id = "log_in",
    tag = "Sessions",
    request_body = Body,
    responses(
        (status = 200, description = "Logged in; sets the cookies", body = UserAndSession),
        (status = 401, description = "`invalid_credentials`: no such user, not their password, or a disabled account", body = ProblemBody),
        (status = 422, description = "`invalid_input`", body = ProblemBody),
    ),
)]
pub async fn log_in(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let devices = cookies.devices();
    let typed = LogIn { email: &body.email, password: &body.password, devices: &devices };
    let logged_in = vestibule.accounts().log_in(typed, &client).await?;
    Ok(answers::of_new_session(&vestibule, StatusCode::OK, &logged_in))
}
