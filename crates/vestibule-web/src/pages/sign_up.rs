//! `/sign-up`.

use ::vestibule::services::SignUp;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::{FormQuery, enter};
use crate::{ClientOf, CookieValues, FieldErrors, Form, Next, PageVisit, Problem, Query, Vestibule};

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    name: String,
    email: String,
    password: String,
    next: Next,
}

/// What the page shows.
pub struct SignUpPage<'a> {
    /// The name that was typed.
    pub name: &'a str,
    /// The address that was typed.
    pub email: &'a str,
    /// Where to go afterwards, sent along as `next`; empty where nothing was asked for.
    pub next: &'a str,
    /// To the log-in page, with the same `next`.
    pub log_in_link: String,
    /// What is wrong, field by field.
    pub errors: FieldErrors,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
}

/// The empty form.
pub async fn form(
    State(vestibule): State<Vestibule>,
    Query(query): Query<FormQuery>,
    visit: PageVisit,
) -> Response {
    page(&vestibule, &visit, &Fields { next: query.next, ..Fields::default() }, None)
}

/// Makes an account and logs in, or shows the form again with what is wrong beside each field.
pub async fn sign_up(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let devices = cookies.devices();
    let typed =
        SignUp { name: &fields.name, email: &fields.email, password: &fields.password, devices: &devices };
    match vestibule.accounts().sign_up(typed, &client).await.map_err(Problem::from) {
        Ok(logged_in) => Ok(enter(&vestibule, &logged_in, &fields.next)),
        Err(problem) if problem.keeps_the_form() => Ok(page(&vestibule, &visit, &fields, Some(&problem))),
        Err(problem) => Err(problem),
    }
}

fn page(vestibule: &Vestibule, visit: &PageVisit, fields: &Fields, problem: Option<&Problem>) -> Response {
    super::form_page(vestibule, visit, "Sign up", problem, |errors, summary| SignUpPage {
        name: &fields.name,
        email: &fields.email,
        next: fields.next.path().unwrap_or_default(),
        log_in_link: fields.next.link("/log-in"),
        errors,
        summary,
    })
}
