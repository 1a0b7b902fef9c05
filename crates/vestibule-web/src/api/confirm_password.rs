//! `POST /api/auth/confirm-password`.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::{ClientOf, CurrentUser, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    password: String,
}

/// Takes the password once more. What asks for a recent one is open for ten minutes then.
pub async fn confirm_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Json(body): Json<Body>,
) -> Result<StatusCode, Problem> {
    vestibule.accounts().confirm_password(current.current(), &body.password, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
