//! `POST /api/auth/sign-up`.

use ::vestibule::services::SignUp;
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
    name: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    email: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    password: String,
}

/// Makes an account and logs in.
pub async fn sign_up(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let devices = cookies.devices();
    let typed = SignUp { name: &body.name, email: &body.email, password: &body.password, devices: &devices };
    let logged_in = vestibule.accounts().sign_up(typed, &client).await?;
    Ok(answers::of_new_session(&vestibule, StatusCode::CREATED, &logged_in))
}
