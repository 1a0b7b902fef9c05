//! `POST /api/auth/log-out`.

use crate::problem::ProblemBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answers;
use crate::{ClientOf, CurrentUser, Problem, Vestibule};

/// Ends the session and removes its cookies.
#[utoipa::path(
    post,
    path = "/api/auth/log-out",
    operation_id = "log_out",
    tag = "Sessions",
    responses(
        (status = 204, description = "Logged out; removes the cookies"),
        (status = 401, description = "Nobody is logged in", body = ProblemBody),
    ),
    security(("session" = [], "csrf" = []), ("bearer" = [])),
)]
pub async fn log_out(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
) -> Result<Response, Problem> {
    vestibule.accounts().log_out(current.current(), &client).await?;
    Ok((answers::farewell(&vestibule), StatusCode::NO_CONTENT).into_response())
}
