//! `POST /api/auth/confirm-sign-up` and `POST /api/auth/confirm-sign-up/decline`.

use ::vestibule::services::ConfirmSignUp;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answers::{self, set};
use crate::{ClientOf, CookieValues, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    token: String,
    password: Option<String>,
}

/// Makes the account and logs in.
pub async fn confirm_sign_up(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let typed = ConfirmSignUp {
        token: &body.token,
        password: body.password.as_deref(),
        browsers: &cookies.sign_ups(),
        devices: &cookies.devices(),
    };
    let logged_in = vestibule.accounts().confirm_sign_up(typed, &client).await?;
    let done = vestibule.cookie_names().without_sign_up();
    Ok((set(vec![done]), answers::of_new_session(&vestibule, StatusCode::CREATED, &logged_in))
        .into_response())
}

/// Ends the sign-up: the owner of the address says that it was not theirs.
pub async fn decline_sign_up(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    vestibule.accounts().decline_sign_up(&body.token, &client).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
