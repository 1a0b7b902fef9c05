//! `POST /api/auth/forgot-password`.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::{ClientOf, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    email: String,
}

/// Notes that somebody wants to choose a new password. The answer is the same whether or not anybody has the address.
pub async fn forgot_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    Json(body): Json<Body>,
) -> Result<StatusCode, Problem> {
    vestibule.accounts().forgot_password(&body.email, &client).await?;
    Ok(StatusCode::ACCEPTED)
}
