//! `DELETE /api/account/email`.

use axum::extract::State;
use axum::http::StatusCode;

use crate::problem::ProblemBody;
use crate::{ClientOf, CurrentUser, Problem, Vestibule};

/// Ends a change of the address that was begun.
#[utoipa::path(
    delete,
    path = "/api/account/email",
    operation_id = "cancel_email_change",
    tag = "Account",
    responses(
        (status = 204, description = "No change is under way: its link is over, also where none was begun"),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn cancel_email_change(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
) -> Result<StatusCode, Problem> {
    vestibule.accounts().cancel_email_change(current.current(), &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
