//! `POST /api/auth/forgot-password`.

use crate::problem::ProblemBody;
use crate::request_log::SameForAll;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{ClientOf, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = ForgotPassword)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Email)]
    email: String,
}

/// Notes that somebody wants to choose a new password. The answer is the same whether or not anybody has the address.
#[utoipa::path(
    post,
    path = "/api/auth/forgot-password",
    operation_id = "forgot_password",
    tag = "Accounts",
    request_body = Body,
    responses(
        (status = 202, description = "Noted. The answer is the same whether or not anybody has the address"),
        (status = 422, description = "`invalid_input`: it is no address", body = ProblemBody),
    ),
)]
pub async fn forgot_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    vestibule.accounts().forgot_password(&body.email, &client).await?;
    Ok((Extension(SameForAll), StatusCode::ACCEPTED).into_response())
}
