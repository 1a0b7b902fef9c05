//! `POST /api/auth/reset-password`.

use ::vestibule::services::ResetPassword;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::{ClientOf, Json, Problem, Vestibule, nullable_text};

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
    Json(body): Json<Body>,
) -> Result<StatusCode, Problem> {
    let typed = ResetPassword { token: &body.token, password: &body.password };
    vestibule.accounts().reset_password(typed, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
