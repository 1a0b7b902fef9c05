//! `/log-in`.

use ::vestibule::services::LogIn;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::{FormQuery, enter};
use crate::{ClientOf, FieldErrors, Form, Next, PageVisit, Problem, Query, Vestibule};

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    email: String,
    password: String,
    next: Next,
}

#[derive(Template)]
#[template(path = "log_in.html")]
struct LogInTemplate<'a> {
    form: &'a Fields,
    next: &'a str,
    sign_up_link: String,
    errors: FieldErrors,
    summary: Option<&'a str>,
    notice: Option<&'a str>,
}

/// The empty form.
pub async fn form(
    State(vestibule): State<Vestibule>,
    Query(query): Query<FormQuery>,
    visit: PageVisit,
) -> Response {
    page(&vestibule, &visit, &Fields { next: query.next, ..Fields::default() }, None)
}

/// Logs in, or shows the form again.
pub async fn log_in(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let typed = LogIn { email: &fields.email, password: &fields.password };
    match vestibule.accounts().log_in(typed, &client).await.map_err(Problem::from) {
        Ok(logged_in) => Ok(enter(&vestibule, &logged_in, &fields.next)),
        Err(problem) if problem.keeps_the_form() => Ok(page(&vestibule, &visit, &fields, Some(&problem))),
        Err(problem) => Err(problem),
    }
}

fn page(vestibule: &Vestibule, visit: &PageVisit, fields: &Fields, problem: Option<&Problem>) -> Response {
    super::form_page(vestibule, visit, "Log in", problem, |errors, summary| LogInTemplate {
        form: fields,
        next: fields.next.path().unwrap_or_default(),
        sign_up_link: fields.next.link("/sign-up"),
        errors,
        summary,
        notice: None,
    })
}
