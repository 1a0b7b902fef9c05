//! `/confirm-email?token=`, where the link of a mail leads.

use ::vestibule::models::EmailAddress;
use ::vestibule::services::{ConfirmEmail, EmailLink};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::TokenQuery;
use crate::{ClientOf, CookieValues, CurrentUser, FieldErrors, Form, PageVisit, Problem, Query, Vestibule};

/// What is typed, and the token of the link.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    token: String,
    password: String,
}

const NOT_LOGGED_IN_HERE: &str =
    "You are not logged in to the account of this link here. Its password does it too.";

/// What the page shows.
pub struct ConfirmEmailPage<'a> {
    /// The token of the link, sent along as `token`.
    pub token: &'a str,
    /// Whether the password is needed: nobody of that account is logged in here.
    pub asks_for_password: bool,
    /// What is wrong, field by field.
    pub errors: FieldErrors,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
    /// Whether the link cannot be used any more.
    pub is_link_over: bool,
    /// Whether anybody is logged in here.
    pub is_logged_in: bool,
    /// What it does, where the address takes the place of another.
    pub change: Option<EmailChange<'a>>,
}

/// A change of the address that a press would make.
pub struct EmailChange<'a> {
    /// The new address.
    pub email: &'a str,
    /// The present one, where its owner is logged in here.
    pub present: Option<&'a str>,
}

/// What `/confirm-email/done` shows.
pub struct ConfirmEmailDonePage<'a> {
    /// The address of who is logged in.
    pub email: Option<&'a str>,
    /// Whether it is confirmed. Anybody can open this page.
    pub is_email_verified: bool,
}

/// A button, with what it does. Nothing is changed, whoever opens the link: mail scanners do too, and some of them run
/// scripts, so no script presses it.
pub async fn form(
    State(vestibule): State<Vestibule>,
    Query(query): Query<TokenQuery>,
    visit: PageVisit,
) -> Result<Response, Problem> {
    page(&vestibule, &visit, &query.token, None).await
}

/// Confirms the address, or asks for the password where nobody of that account is logged in.
pub async fn confirm_email(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Query(query): Query<TokenQuery>,
    visit: PageVisit,
    current: Option<CurrentUser>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let token = if fields.token.is_empty() { &query.token } else { &fields.token };
    let password = Some(fields.password.as_str()).filter(|password| !password.is_empty());
    let current = current.as_ref().map(CurrentUser::current);
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let devices = cookies.devices();
    let typed = ConfirmEmail { token, password, devices: &devices };
    match vestibule.accounts().confirm_email(typed, current, &client).await.map_err(Problem::from) {
        Ok(_) => Ok(Redirect::to("/confirm-email/done").into_response()),
        Err(problem) if problem.keeps_the_form() => page(&vestibule, &visit, token, Some(&problem)).await,
        Err(problem) => Err(problem),
    }
}

/// What comes next.
pub async fn done(State(vestibule): State<Vestibule>, visit: PageVisit) -> Response {
    let user = visit.current_user().map(|current| current.user().clone());
    let content = ConfirmEmailDonePage {
        email: user.as_ref().map(|user| user.email.as_str()),
        is_email_verified: user.as_ref().is_some_and(|user| user.is_email_verified),
    };
    vestibule.page(&visit, "Your address", &content)
}

async fn page(
    vestibule: &Vestibule,
    visit: &PageVisit,
    token: &str,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let current = visit.current_user().map(CurrentUser::current);
    let link = match vestibule.accounts().look_at_email_link(token, current).await {
        Ok(link) => link,
        // What is wrong is told already.
        Err(_) if problem.is_some() => None,
        Err(error) => return Err(error.into()),
    };
    let change = link.as_ref().filter(|link| link.replaces_email).map(EmailChange::from);
    let is_logged_in = visit.current_user().is_some();
    // Somebody may be logged in to another account than that of the link: only the answer tells.
    let asks_for_password =
        !is_logged_in || problem.is_some_and(|problem| problem.status == StatusCode::UNAUTHORIZED);
    let is_unauthenticated = problem.is_some_and(|problem| problem.code == "unauthenticated");
    let is_link_over =
        token.trim().is_empty() || problem.is_some_and(|problem| problem.code == "token_invalid");
    Ok(super::form_page(vestibule, visit, "Confirm your address", problem, |errors, summary| {
        ConfirmEmailPage {
            token,
            asks_for_password,
            errors,
            // In words for a person: a program is told to log in or to send the password along.
            summary: summary.map(|told| if is_unauthenticated { NOT_LOGGED_IN_HERE } else { told }),
            is_link_over,
            is_logged_in,
            change,
        }
    }))
}

impl<'a> From<&'a EmailLink> for EmailChange<'a> {
    fn from(link: &'a EmailLink) -> Self {
        Self { email: link.email.as_str(), present: link.present.as_ref().map(EmailAddress::as_str) }
    }
}
