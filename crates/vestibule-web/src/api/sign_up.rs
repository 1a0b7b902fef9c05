//! `POST /api/auth/sign-up`.

use crate::problem::ProblemBody;
use ::vestibule::services::SignUp;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers;
use super::answers::UserAndSession;
use crate::{ClientOf, CookieValues, Json, Problem, Vestibule, nullable_text};

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
}

/// Makes an account and logs in.
#[utoipa::path(
    post,
    path = "/api/auth/sign-up",
    operation_id = "sign_up",
    tag = "Accounts",
    request_body = Body,
    responses(
        (status = 201, description = "The account, logged in; sets the cookies", body = UserAndSession),
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
    let devices = cookies.devices();
    let typed = SignUp { name: &body.name, email: &body.email, password: &body.password, devices: &devices };
    let logged_in = vestibule.accounts().sign_up(typed, &client).await?;
    Ok(answers::of_new_session(&vestibule, StatusCode::CREATED, &logged_in))
}
