//! `/sign-up`.

use ::vestibule::models::SignUpMode;
use ::vestibule::services::{SignUp, SignUpRefused, SignUpRequest, SignedUp};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::enter;
use crate::api::answers::set;
use crate::request_log::SameForAll;
use crate::{ClientOf, CookieValues, FieldErrors, Form, Next, PageVisit, Problem, Query, Vestibule};

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    name: String,
    email: String,
    password: String,
    invite: String,
    next: Next,
}

/// What the address of the form may carry.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct SignUpQuery {
    next: Next,
    invite: String,
}

/// What the page shows.
pub struct SignUpPage<'a> {
    /// The name that was typed.
    pub name: &'a str,
    /// The address that was typed.
    pub email: &'a str,
    /// The token of an invitation, sent along as `invite`; empty without one.
    pub invite: &'a str,
    /// Where to go afterwards, sent along as `next`; empty where nothing was asked for.
    pub next: &'a str,
    /// To the log-in page, with the same `next`.
    pub log_in_link: String,
    /// What is wrong, field by field.
    pub errors: FieldErrors,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
}

/// The empty form, where it can lead to an account. An invitation is not looked at before it is used.
pub async fn form(
    State(vestibule): State<Vestibule>,
    Query(query): Query<SignUpQuery>,
    visit: PageVisit,
) -> Result<Response, Problem> {
    let mode = vestibule.accounts().policy().sign_up;
    let is_invited = mode == SignUpMode::Invite && !query.invite.trim().is_empty();
    if !mode.is_for_everybody() && !is_invited {
        return Err(SignUpRefused { mode }.into());
    }
    let fields = Fields { next: query.next, invite: query.invite, ..Fields::default() };
    Ok(page(&vestibule, &visit, &fields, None))
}

/// Makes an account and logs in; or, where the address is confirmed first, leads to a page that says no more than that a
/// mail is on its way; or shows the form again with what is wrong beside each field.
pub async fn sign_up(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let (devices, browsers) = (cookies.devices(), cookies.sign_ups());
    let typed =
        SignUp { name: &fields.name, email: &fields.email, password: &fields.password, devices: &devices };
    let request = SignUpRequest { typed, invite: &fields.invite, browsers: &browsers };
    match vestibule.accounts().request_sign_up(request, &client).await.map_err(Problem::from) {
        Ok(SignedUp::LoggedIn(logged_in)) => Ok(enter(&vestibule, &logged_in, &fields.next)),
        Ok(SignedUp::Begun(begun)) => {
            let cookie = vestibule.cookie_names().of_begun_sign_up(&begun, vestibule.accounts().now());
            Ok((Extension(SameForAll), set(vec![cookie]), Redirect::to("/sign-up/sent")).into_response())
        }
        Err(problem) if problem.keeps_the_form() => Ok(page(&vestibule, &visit, &fields, Some(&problem))),
        Err(problem) => Err(problem),
    }
}

fn page(vestibule: &Vestibule, visit: &PageVisit, fields: &Fields, problem: Option<&Problem>) -> Response {
    super::form_page(vestibule, visit, "Sign up", problem, |errors, summary| SignUpPage {
        name: &fields.name,
        email: &fields.email,
        invite: &fields.invite,
        next: fields.next.path().unwrap_or_default(),
        log_in_link: fields.next.link("/log-in"),
        errors,
        summary,
    })
}
