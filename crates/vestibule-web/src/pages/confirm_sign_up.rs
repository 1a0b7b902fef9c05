//! `/confirm-sign-up?token=`, where the link of a mail leads.

use ::vestibule::services::ConfirmSignUp;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{TokenQuery, enter};
use crate::api::answers::set;
use crate::{ClientOf, CookieValues, FieldErrors, Form, Next, PageVisit, Problem, Query, Vestibule};

/// What is typed, and the token of the link.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    token: String,
    password: String,
}

/// What the page shows.
pub struct ConfirmSignUpPage<'a> {
    /// The token of the link, sent along as `token`.
    pub token: &'a str,
    /// Whether the password is needed: another browser began the sign-up.
    pub asks_for_password: bool,
    /// Whether that is known of this link, and not only guessed from a cookie that is missing.
    pub is_other_browser: bool,
    /// Why the link leads to no account any more; none where it may.
    pub dead_end: Option<DeadEnd>,
    /// What is wrong, field by field.
    pub errors: FieldErrors,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
}

/// Why a link leads to no account any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadEnd {
    /// It was used, is too old, was ended, or is none.
    LinkOver,
    /// The address has an account by now.
    EmailTaken,
}

impl ConfirmSignUpPage<'_> {
    /// Whether the link cannot be used any more.
    pub fn is_link_over(&self) -> bool {
        self.dead_end == Some(DeadEnd::LinkOver)
    }

    /// Whether the address has an account by now.
    pub fn is_taken(&self) -> bool {
        self.dead_end == Some(DeadEnd::EmailTaken)
    }
}

/// What `/confirm-sign-up/declined` shows.
pub struct SignUpDeclinedPage;

/// Two buttons. It looks at nothing and changes nothing, whoever opens the link: mail scanners do too, and some of them
/// run scripts, so no script presses one.
pub async fn form(
    State(vestibule): State<Vestibule>,
    Query(query): Query<TokenQuery>,
    headers: HeaderMap,
    visit: PageVisit,
) -> Response {
    page(&vestibule, &visit, &headers, &query.token, None)
}

/// Makes the account and logs in, or asks for the password where another browser began.
pub async fn confirm_sign_up(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Query(query): Query<TokenQuery>,
    visit: PageVisit,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let token = if fields.token.is_empty() { &query.token } else { &fields.token };
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let typed = ConfirmSignUp {
        token,
        password: Some(fields.password.as_str()).filter(|password| !password.is_empty()),
        browsers: &cookies.sign_ups(),
        devices: &cookies.devices(),
    };
    match vestibule.accounts().confirm_sign_up(typed, &client).await.map_err(Problem::from) {
        Ok(logged_in) => {
            let done = vestibule.cookie_names().without_sign_up();
            Ok((set(vec![done]), enter(&vestibule, &logged_in, &Next::default())).into_response())
        }
        Err(problem) if problem.keeps_the_form() => {
            Ok(page(&vestibule, &visit, &headers, token, Some(&problem)))
        }
        Err(problem) => Err(problem),
    }
}

/// Ends the sign-up: it was not the owner of the address.
pub async fn decline_sign_up(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    visit: PageVisit,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    match vestibule.accounts().decline_sign_up(&fields.token, &client).await.map_err(Problem::from) {
        Ok(()) => Ok(Redirect::to("/confirm-sign-up/declined").into_response()),
        Err(problem) if problem.keeps_the_form() => {
            Ok(page(&vestibule, &visit, &headers, &fields.token, Some(&problem)))
        }
        Err(problem) => Err(problem),
    }
}

/// What comes next.
pub async fn declined(State(vestibule): State<Vestibule>, visit: PageVisit) -> Response {
    vestibule.page(&visit, "No account was made", &SignUpDeclinedPage)
}

fn page(
    vestibule: &Vestibule,
    visit: &PageVisit,
    headers: &HeaderMap,
    token: &str,
    problem: Option<&Problem>,
) -> Response {
    let cookies = CookieValues::read(headers, vestibule.cookie_names());
    // The cookie may be of another sign-up: only the answer tells.
    let is_other_browser = problem.is_some_and(|problem| problem.status == StatusCode::UNAUTHORIZED);
    let dead_end = match problem.map(|problem| problem.code) {
        Some("email_taken") => Some(DeadEnd::EmailTaken),
        Some("token_invalid") => Some(DeadEnd::LinkOver),
        _ => token.trim().is_empty().then_some(DeadEnd::LinkOver),
    };
    super::form_page(vestibule, visit, "Create your account", problem, |errors, summary| ConfirmSignUpPage {
        token,
        asks_for_password: is_other_browser || cookies.sign_ups().is_empty(),
        is_other_browser,
        dead_end,
        errors,
        summary,
    })
}
