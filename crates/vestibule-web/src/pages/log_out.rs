//! `POST /log-out`.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use crate::api::answers::farewell;
use crate::{ClientOf, CurrentUser, Problem, Vestibule};

/// Ends the session, removes its cookies and goes home.
pub async fn log_out(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
) -> Result<Response, Problem> {
    vestibule.accounts().log_out(current.current(), &client).await?;
    Ok((farewell(&vestibule), Redirect::to("/")).into_response())
}
