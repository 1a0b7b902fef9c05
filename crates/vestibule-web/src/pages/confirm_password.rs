//! `/confirm-password`: where who is logged in gives their password once more, before what asks for a recent one.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{DEFAULT_NEXT, FormQuery};
use crate::api::answers;
use crate::{ClientOf, CurrentUser, FieldErrors, Form, Next, PageVisit, Problem, Query, Vestibule};

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    password: String,
    next: Next,
}

/// What the page shows.
pub struct ConfirmPasswordPage<'a> {
    /// What every form of this page has to send as `csrf_token`.
    pub csrf_token: &'a str,
    /// Whose password is asked for.
    pub email: &'a str,
    /// Where to go afterwards, sent along as `next`; empty where nothing was asked for.
    pub next: &'a str,
    /// Whether something was pressed that asks for the password, and is not done by giving it.
    pub is_to_press_again: bool,
    /// What is wrong, field by field.
    pub errors: FieldErrors,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
}

/// The form.
pub async fn form(
    State(vestibule): State<Vestibule>,
    Query(query): Query<FormQuery>,
    visit: PageVisit,
    current: CurrentUser,
) -> Response {
    page(&vestibule, &visit, &current, &query.next, None)
}

/// Takes the password, and gives the browser a new session in the place of its old one.
pub async fn confirm_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let confirmed = accounts.confirm_password(current.current(), &fields.password, &client).await;
    match confirmed.map_err(Problem::from) {
        Ok(renewed) => {
            Ok((answers::renewed(&vestibule, renewed), Redirect::to(fields.next.or(DEFAULT_NEXT)))
                .into_response())
        }
        Err(problem) if problem.is_session_over || !problem.keeps_the_form() => Err(problem),
        Err(problem) => Ok(page(&vestibule, &visit, &current, &fields.next, Some(&problem))),
    }
}

fn page(
    vestibule: &Vestibule,
    visit: &PageVisit,
    current: &CurrentUser,
    next: &Next,
    problem: Option<&Problem>,
) -> Response {
    super::form_page(vestibule, visit, "Your password, once more", problem, |errors, summary| {
        ConfirmPasswordPage {
            csrf_token: visit.csrf_token(),
            email: current.user().email.as_str(),
            next: next.path().unwrap_or_default(),
            is_to_press_again: next.says_not_yet(),
            errors,
            summary,
        }
    })
}
