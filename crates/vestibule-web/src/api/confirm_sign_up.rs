//! `POST /api/auth/confirm-sign-up` and `POST /api/auth/confirm-sign-up/decline`.

use ::vestibule::services::ConfirmSignUp;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{self, UserAndSession, set};
use crate::{ClientOf, CookieValues, Json, Problem, ProblemBody, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = ConfirmSignUp)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required)]
    token: String,
    #[schema(format = Password)]
    password: Option<String>,
}

/// Makes the account and logs in.
#[utoipa::path(
    post,
    path = "/api/auth/confirm-sign-up",
    operation_id = "confirm_sign_up",
    tag = "Accounts",
    request_body = Body,
    responses(
        (status = 201, description = "The account, logged in; sets the cookies", body = UserAndSession),
        (status = 400, description = "`token_invalid`", body = ProblemBody),
        (status = 401, description = "`unauthenticated` where neither the browser nor a password proves who began it, `invalid_credentials` with a wrong one", body = ProblemBody),
        (status = 403, description = "`forbidden`: sign-up is closed", body = ProblemBody),
        (status = 409, description = "`email_taken`", body = ProblemBody),
    ),
)]
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
#[utoipa::path(
    post,
    path = "/api/auth/confirm-sign-up/decline",
    operation_id = "decline_sign_up",
    tag = "Accounts",
    request_body = Body,
    responses(
        (status = 204, description = "It is over, and who began it is not told"),
        (status = 400, description = "`token_invalid`", body = ProblemBody),
    ),
)]
pub async fn decline_sign_up(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    vestibule.accounts().decline_sign_up(&body.token, &client).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
