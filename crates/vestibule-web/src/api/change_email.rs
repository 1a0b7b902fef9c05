//! `POST /api/account/email`.

use ::vestibule::services::ChangeEmail;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::{ClientOf, CurrentUser, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    email: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    current_password: String,
}

/// Begins to change the address.
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
