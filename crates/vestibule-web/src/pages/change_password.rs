//! `POST /account/password`.

use ::vestibule::services::ChangePassword;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::account::{Part, Refused, done, refused};
use crate::api::answers;
use crate::{ClientOf, CurrentUser, Form, PageVisit, Problem, Vestibule};

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    current_password: String,
    new_password: String,
}

/// Changes the password and gives the browser a new session in the place of its old one.
pub async fn change_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let typed =
        ChangePassword { current_password: &fields.current_password, new_password: &fields.new_password };
    match accounts.change_password(current.current(), typed, &client).await.map_err(Problem::from) {
        Ok(renewed) => {
            Ok((answers::renewed(&vestibule, renewed), done("password-changed", "password")).into_response())
        }
        Err(problem) => {
            let form = Refused { part: Part::Password, typed: "", problem: &problem };
            refused(&vestibule, &visit, &current, form).await
        }
    }
}
