//! `PATCH /api/account`.

use crate::problem::ProblemBody;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::UserOnly;
use crate::{ClientOf, CurrentUser, Json, Problem, Vestibule, nullable_text};

/// What is sent. Nothing else of a user can be set here: not the role, not the address, not that it is confirmed.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
#[schema(as = ChangeName)]
pub struct Body {
    #[serde(deserialize_with = "nullable_text::deserialize")]
    #[schema(required)]
    name: String,
}

/// Changes the name.
#[utoipa::path(
    patch,
    path = "/api/account",
    operation_id = "change_name",
    tag = "Account",
    request_body = Body,
    responses(
        (status = 200, description = "The account with its new name", body = UserOnly),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
        (status = 422, description = "`invalid_input`", body = ProblemBody),
        (status = 429, description = "`too_many_requests`", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn change_name(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let user = vestibule.accounts().change_name(current.current(), &body.name, &client).await?;
    Ok(axum::Json(UserOnly::from(&user)).into_response())
}
