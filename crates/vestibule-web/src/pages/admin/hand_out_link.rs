//! `POST /admin/users/{id}/reset-link`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::find_users::refused;
use super::{administrator, done};
use crate::{ClientOf, CurrentUser, PageVisit, Path, Problem, Vestibule};

/// Has a mail sent to a user with a link to choose a new password.
pub async fn send_reset_link(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    match vestibule.accounts().send_reset_link(id.into(), &by).await {
        Ok(()) => Ok(done(id.into(), "link-sent").into_response()),
        Err(error) => refused(&vestibule, &visit, &current, id.into(), error.into()).await,
    }
}
