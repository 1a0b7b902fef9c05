//! `POST /api/auth/check-password`.

use ::vestibule::services::JudgePassword;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ClientOf, Json, Problem, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = JudgePassword)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required, format = Password)]
    password: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    name: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(format = Email)]
    email: String,
}

/// What is answered.
#[derive(Serialize, ToSchema)]
pub struct Judgement {
    acceptable: bool,
    message: String,
}

/// Says what would be said to a password as a new one, for the hint beside the field.
#[utoipa::path(
    post,
    path = "/api/auth/check-password",
    operation_id = "judge_password",
    tag = "Accounts",
    request_body = Body,
    responses(
        (status = 200, description = "What would be said to it", body = Judgement),
    ),
)]
pub async fn judge_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    Json(body): Json<Body>,
) -> Result<axum::Json<Judgement>, Problem> {
    let typed = JudgePassword { password: &body.password, name: &body.name, email: &body.email };
    let judgement = match vestibule.accounts().judge_password(typed, &client).await? {
        None => Judgement { acceptable: true, message: "This is a good password.".into() },
        Some(invalid) => Judgement { acceptable: false, message: invalid.message },
    };
    Ok(axum::Json(judgement))
}
