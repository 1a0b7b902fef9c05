//! `POST /api/auth/check-password`.

use ::vestibule::services::{JudgePassword, PasswordOf};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ClientOf, CurrentUser, Json, Problem, ProblemBody, Vestibule, nullable_text};

/// What is sent.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = JudgePassword)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(nullable, format = Password)]
    password: String,
    /// Of a form with which somebody signs up.
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(nullable)]
    name: String,
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(nullable)]
    email: String,
    /// Of a link that resets the password.
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(nullable)]
    token: String,
    /// Whether it is to be the password of who is logged in. Then nothing is said about it while they are not known: a
    /// stranger's judgement would praise what the form refuses.
    own: Option<bool>,
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
        (status = 401, description = "It is to be the password of who is logged in, and nobody is", body = ProblemBody),
    ),
    security((), ("session" = []), ("bearer" = [])),
)]
pub async fn judge_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: Option<CurrentUser>,
    Json(body): Json<Body>,
) -> Result<axum::Json<Judgement>, Problem> {
    let typed = JudgePassword { password: &body.password, of: whose(&body, current.as_ref())? };
    let judgement = match vestibule.accounts().judge_password(typed, &client).await? {
        None => Judgement { acceptable: true, message: "This is a good password.".into() },
        Some(invalid) => Judgement { acceptable: false, message: invalid.message },
    };
    Ok(axum::Json(judgement))
}

/// In this order: the owner of a link, somebody who has typed who they are, who is logged in.
fn whose<'a>(body: &'a Body, current: Option<&'a CurrentUser>) -> Result<PasswordOf<'a>, Problem> {
    if !body.token.is_empty() {
        return Ok(PasswordOf::Link(&body.token));
    }
    let has_typed = !body.name.is_empty() || !body.email.is_empty();
    match current {
        Some(current) if !has_typed => Ok(PasswordOf::User(current.user())),
        None if !has_typed && body.own == Some(true) => Err(Problem::unauthenticated()),
        _ => Ok(PasswordOf::NewUser { name: &body.name, email: &body.email }),
    }
}
