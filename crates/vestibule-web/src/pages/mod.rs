//! For people: pages and the addresses that their forms are sent to, one file for each thing that is done.

pub mod account;
pub mod admin;
pub mod api_docs;
pub mod cancel_email_change;
pub mod change_email;
pub mod change_name;
pub mod change_password;
pub mod confirm_email;
pub mod confirm_password;
pub mod confirm_sign_up;
pub mod delete_account;
pub mod dev_mailbox;
pub mod export;
pub mod forgot_password;
pub mod log_in;
pub mod log_out;
pub mod manage_sessions;
pub mod refresh;
pub mod resend_confirmation;
pub mod resend_sign_up;
pub mod reset_password;
pub mod sign_up;

use ::vestibule::services::LoggedIn;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::api::answers::{of, set};
use crate::{Content, FieldErrors, Next, PageVisit, Problem, Vestibule};

/// Where one goes after logging in, if nowhere else.
pub(crate) const DEFAULT_NEXT: &str = "/dashboard";

/// What a page says to who pressed something there, was asked for their password, and is back.
const NOT_YET: &str = "Nothing was done yet. Press again.";

/// What the address of a form may carry.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct FormQuery {
    next: Next,
}

/// What the address of a link from a mail carries.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct TokenQuery {
    token: String,
}

/// Sends somebody who was just logged in on their way, with the three cookies.
fn enter(vestibule: &Vestibule, logged_in: &LoggedIn, next: &Next) -> Response {
    let cookies = vestibule.cookie_names().of_new_session(logged_in, vestibule.accounts().now());
    (set(cookies), of(logged_in), Redirect::to(next.or(DEFAULT_NEXT))).into_response()
}

/// Answers with a form, empty or with what is wrong. A summary stands above it where no field is to blame.
pub fn form_page<'p, C: Content>(
    vestibule: &Vestibule,
    visit: &PageVisit,
    title: &str,
    problem: Option<&'p Problem>,
    content: impl FnOnce(FieldErrors, Option<&'p str>) -> C,
) -> Response {
    let Some(problem) = problem else {
        return vestibule.page(visit, title, &content(FieldErrors::default(), None));
    };
    let summary = problem.errors.is_empty().then_some(problem.detail.as_str());
    let content = content(problem.field_errors(), summary);
    let mut response = vestibule.page_with_status(problem.status, visit, title, &content);
    problem.tell_when(response.headers_mut());
    // For the log.
    response.extensions_mut().insert(problem.clone());
    response
}
