//! `POST /account/email/cancel`.

use axum::extract::State;
use axum::response::Redirect;

use super::account::done;
use crate::{ClientOf, CurrentUser, Problem, Vestibule};

/// Ends a change of the address that was begun.
pub async fn cancel_email_change(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
) -> Result<Redirect, Problem> {
    vestibule.accounts().cancel_email_change(current.current(), &client).await?;
    Ok(done("email-kept", "email"))
}
