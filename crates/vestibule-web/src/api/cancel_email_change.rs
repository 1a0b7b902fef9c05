//! `DELETE /api/account/email`.

use axum::extract::State;
use axum::http::StatusCode;

use crate::{ClientOf, CurrentUser, Problem, Vestibule};

/// Ends a change of the address that was begun.
pub async fn cancel_email_change(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
) -> Result<StatusCode, Problem> {
    vestibule.accounts().cancel_email_change(current.current(), &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
