//! `POST /admin/users/{id}/delete`.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use uuid::Uuid;

use super::administrator;
use super::find_users::refused;
use crate::{ClientOf, CurrentUser, PageVisit, Path, Problem, Vestibule};

/// Removes a user and everything that refers to them.
pub async fn delete_user(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    match vestibule.accounts().delete_user(id.into(), &by).await {
        Ok(()) => Ok(Redirect::to("/admin/users?done=deleted").into_response()),
        Err(error) => refused(&vestibule, &visit, &current, id.into(), error.into()).await,
    }
}
