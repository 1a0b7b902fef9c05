//! `/forgot-password`.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::{ClientOf, FieldErrors, Form, PageVisit, Problem, Vestibule};

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    email: String,
}

#[derive(Template)]
#[template(path = "forgot_password.html")]
struct ForgotPasswordTemplate<'a> {
    form: &'a Fields,
    errors: FieldErrors,
    summary: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "forgot_password_sent.html")]
struct SentTemplate;

/// The empty form.
pub async fn form(State(vestibule): State<Vestibule>, visit: PageVisit) -> Response {
    page(&vestibule, &visit, &Fields::default(), None)
}

/// Notes the address and says the same whether or not anybody has it.
pub async fn forgot_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    match vestibule.accounts().forgot_password(&fields.email, &client).await.map_err(Problem::from) {
        Ok(()) => Ok(Redirect::to("/forgot-password/sent").into_response()),
        Err(problem) if problem.keeps_the_form() => Ok(page(&vestibule, &visit, &fields, Some(&problem))),
        Err(problem) => Err(problem),
    }
}

/// What comes next.
pub async fn sent(State(vestibule): State<Vestibule>, visit: PageVisit) -> Response {
    vestibule.page(&visit, "Look into your mailbox", &SentTemplate)
}

fn page(vestibule: &Vestibule, visit: &PageVisit, fields: &Fields, problem: Option<&Problem>) -> Response {
    super::form_page(vestibule, visit, "Forgot your password?", problem, |errors, summary| {
        ForgotPasswordTemplate { form: fields, errors, summary }
    })
}
