//! `POST /api/auth/log-in`.

use ::vestibule::services::LogIn;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::answers;
use crate::{ClientOf, CookieValues, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    email: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    password: String,
}

/// Logs in.
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
