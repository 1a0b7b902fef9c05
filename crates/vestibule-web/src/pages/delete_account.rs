//! `POST /account/delete`.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::account::{Part, Refused, refused};
use crate::api::answers::farewell;
use crate::{ClientOf, CurrentUser, Form, PageVisit, Problem, Vestibule};

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    current_password: String,
}

/// Removes the account and everything that belongs to it.
pub async fn delete_account(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let deleted = accounts.delete_account(current.current(), &fields.current_password, &client).await;
    match deleted.map_err(Problem::from) {
        Ok(()) => Ok((farewell(&vestibule), Redirect::to("/log-in?notice=account-deleted")).into_response()),
        Err(problem) => {
            let form = Refused { part: Part::Delete, typed: "", problem: &problem };
            refused(&vestibule, &visit, &current, form).await
        }
    }
}
