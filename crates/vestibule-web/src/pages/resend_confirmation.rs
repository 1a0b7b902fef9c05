//! `/confirm-email/resend`: where who has not confirmed their address reads what to do, and has the mail sent once more.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::{ClientOf, CurrentUser, PageVisit, Problem, Query, Vestibule};

/// Whether a mail was just sent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct ResendQuery {
    sent: Option<String>,
}

/// What the page shows.
pub struct ResendConfirmationPage<'a> {
    /// What every form of this page has to send as `csrf_token`.
    pub csrf_token: &'a str,
    /// The address that is to be confirmed.
    pub email: &'a str,
    /// Whether it is confirmed already.
    pub is_email_verified: bool,
    /// Whether a mail was just sent.
    pub is_sent: bool,
    /// Why none was.
    pub summary: Option<&'a str>,
}

/// The page.
pub async fn form(
    State(vestibule): State<Vestibule>,
    Query(query): Query<ResendQuery>,
    visit: PageVisit,
    current: CurrentUser,
) -> Response {
    page(&vestibule, &visit, &current, query.sent.is_some(), None)
}

/// Sends the mail once more.
pub async fn resend_confirmation(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
) -> Result<Response, Problem> {
    let resent = vestibule.accounts().resend_confirmation(current.current(), &client).await;
    match resent.map_err(Problem::from) {
        Ok(()) => Ok(Redirect::to("/confirm-email/resend?sent=yes").into_response()),
        // Confirmed in another tab meanwhile: the page says so.
        Err(problem) if problem.status == StatusCode::CONFLICT => {
            Ok(Redirect::to("/confirm-email/resend").into_response())
        }
        Err(problem) if problem.keeps_the_form() => {
            Ok(page(&vestibule, &visit, &current, false, Some(&problem)))
        }
        Err(problem) => Err(problem),
    }
}

fn page(
    vestibule: &Vestibule,
    visit: &PageVisit,
    current: &CurrentUser,
    is_sent: bool,
    problem: Option<&Problem>,
) -> Response {
    super::form_page(vestibule, visit, "Confirm your address", problem, |_, summary| ResendConfirmationPage {
        csrf_token: visit.csrf_token(),
        email: current.user().email.as_str(),
        is_email_verified: current.user().is_email_verified,
        is_sent,
        summary,
    })
}
