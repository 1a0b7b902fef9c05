//! `POST /account/name`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::account::{Part, Refused, done, refused};
use crate::{ClientOf, CurrentUser, Form, PageVisit, Problem, Vestibule};

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    name: String,
}

/// Changes the name.
pub async fn change_name(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let changed = vestibule.accounts().change_name(current.current(), &fields.name, &client).await;
    match changed.map_err(Problem::from) {
        Ok(_) => Ok(done("name-changed", "name").into_response()),
        Err(problem) => {
            let form = Refused { part: Part::Name, typed: &fields.name, problem: &problem };
            refused(&vestibule, &visit, &current, form).await
        }
    }
}
