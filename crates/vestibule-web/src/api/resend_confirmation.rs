//! `POST /api/auth/confirm-email/resend`.

use axum::extract::State;
use axum::http::StatusCode;

use crate::{ClientOf, CurrentUser, Problem, Vestibule};

/// Sends the mail that asks to confirm the address once more.
pub async fn resend_confirmation(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
) -> Result<StatusCode, Problem> {
    vestibule.accounts().resend_confirmation(current.current(), &client).await?;
    Ok(StatusCode::ACCEPTED)
}
