//! `POST /api/auth/sign-up`.

use ::vestibule::services::{SignUp, SignUpRequest, SignedUp};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answers::{self, UserAndSession, set};
use crate::request_log::SameForAll;
use crate::{ClientOf, CookieValues, Json, Problem, ProblemBody, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = SignUp)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required)]
    name: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Email)]
    email: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Password)]
    password: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    invite: String,
}

/// What is answered where the address is confirmed first: nothing yet.
#[derive(Serialize, ToSchema)]
#[schema(as = SignUpBegun)]
pub struct Begun {}

/// Makes an account and logs in or, where the address is confirmed first, says no more than that a mail is on its way.
#[utoipa::path(
    post,
    path = "/api/auth/sign-up",
    operation_id = "sign_up",
    tag = "Accounts",
    request_body = Body,
    responses(
        (status = 201, description = "The account, logged in; sets the cookies", body = UserAndSession),
        (status = 202, description = "Where the address is confirmed first: a mail is on its way, whether or not anybody has the address", body = Begun),
        (status = 403, description = "`forbidden`: nobody can sign up, or not without an invitation", body = ProblemBody),
        (status = 409, description = "`email_taken`", body = ProblemBody),
        (status = 422, description = "`invalid_input`, with every field that is not right", body = ProblemBody),
    ),
)]
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
            (StatusCode::ACCEPTED, Extension(SameForAll), set(vec![cookie]), axum::Json(Begun {}))
                .into_response()
        }
    })
}
