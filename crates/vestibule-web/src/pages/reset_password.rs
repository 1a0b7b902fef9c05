//! `/reset-password?token=`, where the link of a mail leads.

use ::vestibule::services::ResetPassword;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::TokenQuery;
use crate::api::answers::set;
use crate::{ClientOf, CookieValues, FieldErrors, Form, PageVisit, Problem, Query, Vestibule};

/// What is typed, and the token of the link.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    token: String,
    password: String,
}

/// What the page shows.
pub struct ResetPasswordPage<'a> {
    /// The token of the link, sent along as `token`.
    pub token: &'a str,
    /// What is wrong, field by field.
    pub errors: FieldErrors,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
    /// Whether the link cannot be used any more.
    pub is_link_over: bool,
}

/// The form. It looks at nothing and changes nothing, whoever opens the link: mail scanners do too.
pub async fn form(
    State(vestibule): State<Vestibule>,
    Query(query): Query<TokenQuery>,
    visit: PageVisit,
) -> Response {
    page(&vestibule, &visit, &query.token, None)
}

/// Sets the new password, or shows the form again.
pub async fn reset_password(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Query(query): Query<TokenQuery>,
    visit: PageVisit,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let token = if fields.token.is_empty() { &query.token } else { &fields.token };
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let devices = cookies.devices();
    let typed = ResetPassword { token, password: &fields.password, devices: &devices };
    match vestibule.accounts().reset_password(typed, &client).await.map_err(Problem::from) {
        Ok(device) => {
            let cookie = set(vec![vestibule.cookie_names().device_cookie(&device)]);
            Ok((cookie, Redirect::to("/log-in?notice=password-reset")).into_response())
        }
        Err(problem) if problem.keeps_the_form() => Ok(page(&vestibule, &visit, token, Some(&problem))),
        Err(problem) => Err(problem),
    }
}

fn page(vestibule: &Vestibule, visit: &PageVisit, token: &str, problem: Option<&Problem>) -> Response {
    // Without a token there is nothing to type: the way out is another link.
    let is_link_over =
        token.trim().is_empty() || problem.is_some_and(|problem| problem.code == "token_invalid");
    super::form_page(vestibule, visit, "Choose a new password", problem, |errors, summary| {
        ResetPasswordPage { token, errors, summary, is_link_over }
    })
}
