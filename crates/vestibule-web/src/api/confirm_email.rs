//! `POST /api/auth/confirm-email`.

use ::vestibule::services::ConfirmEmail;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answers::UserOnly;
use crate::{ClientOf, CookieValues, CurrentUser, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    token: String,
    password: Option<String>,
}

/// Confirms the address.
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
