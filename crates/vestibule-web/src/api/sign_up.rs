//! `POST /api/auth/sign-up`.

use ::vestibule::services::{SignUp, SignUpRequest, SignedUp};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::answers::{self, set};
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
    #[serde(deserialize_with = "nullable_text::deserialize")]
    invite: String,
}

/// Makes an account and logs in or, where the address is confirmed first, says no more than that a mail is on its way.
pub async fn sign_up(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let (devices, browsers) = (cookies.devices(), cookies.sign_ups());
    let typed = SignUp { name: &body.name, email: &body.email, password: &body.password, devices: &devices };
    let request = SignUpRequest { typed, invite: &body.invite, browsers: &browsers };
    Ok(match vestibule.accounts().request_sign_up(request, &client).await? {
        SignedUp::LoggedIn(logged_in) => answers::of_new_session(&vestibule, StatusCode::CREATED, &logged_in),
        SignedUp::Begun(begun) => {
            let cookie = vestibule.cookie_names().of_begun_sign_up(&begun, vestibule.accounts().now());
            (StatusCode::ACCEPTED, set(vec![cookie]), axum::Json(json!({}))).into_response()
        }
    })
}
