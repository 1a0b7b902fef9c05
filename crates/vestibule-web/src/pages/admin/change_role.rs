//! `POST /admin/users/{id}/role`.

use ::vestibule::models::{InvalidInput, Role};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::find_users::refused;
use super::{administrator, done};
use crate::{ClientOf, CurrentUser, Form, PageVisit, Path, Problem, Vestibule};

/// What is chosen.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    role: String,
}

/// Gives a user another role.
pub async fn change_role(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Path(id): Path<Uuid>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    let changed = match fields.role.parse::<Role>() {
        Ok(role) => vestibule.accounts().change_role(id.into(), &role, &by).await.map_err(Problem::from),
        Err(error) => Err(Problem::invalid(InvalidInput::one("role", "unknown_role", error.to_string()))),
    };
    match changed {
        Ok(user) => Ok(done(user.id, "role-changed").into_response()),
        Err(problem) => refused(&vestibule, &visit, &current, id.into(), problem).await,
    }
}
