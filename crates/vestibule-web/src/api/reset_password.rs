//! `POST /api/auth/reset-password`.

use ::vestibule::services::ResetPassword;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answers::set;
use crate::{ClientOf, CookieValues, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    token: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    password: String,
}

/// Sets a new password for who got the link.
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
