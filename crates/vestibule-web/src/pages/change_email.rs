//! `POST /account/email`.

use ::vestibule::services::ChangeEmail;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::account::{Part, Refused, done, refused};
use crate::{ClientOf, CurrentUser, Form, PageVisit, Problem, Vestibule};

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    email: String,
    current_password: String,
}

/// Begins to change the address.
pub async fn change_email(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let typed = ChangeEmail { email: &fields.email, current_password: &fields.current_password };
    let begun = vestibule.accounts().change_email(current.current(), typed, &client).await;
    match begun.map_err(Problem::from) {
        Ok(()) => Ok(done("email-requested", "email").into_response()),
        Err(problem) => {
            let form = Refused { part: Part::Email, typed: &fields.email, problem: &problem };
            refused(&vestibule, &visit, &current, form).await
        }
    }
}
