//! `POST /admin/users/{id}/disable` and `…/enable`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::find_users::refused;
use super::{administrator, done};
use crate::{ClientOf, CurrentUser, PageVisit, Path, Problem, Vestibule};

/// Shuts a user out.
pub async fn disable(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    match vestibule.accounts().disable_user(id.into(), &by).await {
        Ok(user) => Ok(done(user.id, "disabled").into_response()),
        Err(error) => refused(&vestibule, &visit, &current, id.into(), error.into()).await,
    }
}

/// Lets a user in again.
pub async fn enable(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    match vestibule.accounts().enable_user(id.into(), &by).await {
        Ok(user) => Ok(done(user.id, "enabled").into_response()),
        Err(error) => refused(&vestibule, &visit, &current, id.into(), error.into()).await,
    }
}
