//! `PATCH /api/account`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answers::UserOnly;
use crate::{ClientOf, CurrentUser, Json, Problem, Vestibule, nullable_text};

/// What is sent. Nothing else of a user can be set here: not the role, not the address, not that it is confirmed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    name: String,
}

/// Changes the name.
pub async fn change_name(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let user = vestibule.accounts().change_name(current.current(), &body.name, &client).await?;
    Ok(axum::Json(UserOnly::from(&user)).into_response())
}
