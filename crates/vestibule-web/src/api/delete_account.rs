//! `DELETE /api/account`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answers::farewell;
use crate::{ClientOf, CurrentUser, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    current_password: String,
}

/// Removes the account and everything that belongs to it.
pub async fn delete_account(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    vestibule.accounts().delete_account(current.current(), &body.current_password, &client).await?;
    Ok((farewell(&vestibule), StatusCode::NO_CONTENT).into_response())
}
