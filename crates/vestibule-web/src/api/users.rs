//! `GET /api/users/{id}`: a program that verified a token asks whose it is.

use ::vestibule::models::UserId;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::answers::FoundUser;
use crate::problem::ProblemBody;
use crate::{Path, Problem, Vestibule};

/// A user, for a program with a service key.
#[utoipa::path(
    get,
    path = "/api/users/{id}",
    operation_id = "find_user",
    tag = "Other programs",
    params(("id" = Uuid, Path, description = "The `sub` of an access token")),
    responses(
        (status = 200, description = "The user", body = FoundUser),
        (status = 401, description = "No service key, or one that is not good", body = ProblemBody),
        (status = 403, description = "The key has not the scope `users:read`", body = ProblemBody),
        (status = 404, description = "`not_found`: nobody has this id, or not any more", body = ProblemBody),
    ),
    security(("service_key" = [])),
)]
pub async fn find_user(
    State(vestibule): State<Vestibule>,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let user = vestibule.accounts().find_user(UserId::from(id)).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(FoundUser::from(&user)).into_response())
}
