//! `POST /api/auth/confirm-email/resend`.

use crate::problem::ProblemBody;
use axum::extract::State;
use axum::http::StatusCode;

use crate::{ClientOf, CurrentUser, Problem, Vestibule};

/// Sends the mail that asks to confirm the address once more.
#[utoipa::path(
    post,
    path = "/api/auth/confirm-email/resend",
    operation_id = "resend_confirmation",
    tag = "Accounts",
    responses(
        (status = 202, description = "The mail is on its way"),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
        (status = 409, description = "`conflict`: the address is confirmed already", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn resend_confirmation(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
) -> Result<StatusCode, Problem> {
    vestibule.accounts().resend_confirmation(current.current(), &client).await?;
    Ok(StatusCode::ACCEPTED)
}
