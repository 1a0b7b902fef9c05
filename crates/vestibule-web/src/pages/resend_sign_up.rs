//! `/sign-up/sent`: what to do after a sign-up whose address is confirmed first, and where the mail is sent once more.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::api::answers::set;
use crate::request_log::SameForAll;
use crate::{ClientOf, CookieValues, FieldErrors, Form, PageVisit, Problem, Query, Vestibule};

/// Whether a mail was just sent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct SentQuery {
    again: Option<String>,
}

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    email: String,
}

/// What the page shows. Nothing in it depends on whether the address has an account.
pub struct SignUpSentPage<'a> {
    /// The address that the mail goes to; none where no sign-up waits in this browser.
    pub email: Option<&'a str>,
    /// What was typed to correct it.
    pub typed: &'a str,
    /// Whether a mail was just sent once more.
    pub is_sent_again: bool,
    /// What is wrong, field by field.
    pub errors: FieldErrors,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
}

/// The page.
pub async fn form(
    State(vestibule): State<Vestibule>,
    Query(query): Query<SentQuery>,
    headers: HeaderMap,
    visit: PageVisit,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let email = vestibule.accounts().find_waiting_sign_up(&cookies.sign_ups()).await?;
    let email = email.as_ref().map(::vestibule::models::EmailAddress::as_str);
    let content = SignUpSentPage {
        email,
        typed: email.unwrap_or_default(),
        is_sent_again: query.again.is_some(),
        errors: FieldErrors::default(),
        summary: None,
    };
    Ok(vestibule.page(&visit, "Look into your mailbox", &content))
}

/// Sends the mail once more, to the same address or a corrected one.
pub async fn resend_sign_up(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    visit: PageVisit,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let resent = vestibule.accounts().resend_sign_up(&fields.email, &cookies.sign_ups(), &client).await;
    match resent.map_err(Problem::from) {
        Ok(begun) => {
            let cookie = vestibule.cookie_names().of_begun_sign_up(&begun, vestibule.accounts().now());
            Ok((Extension(SameForAll), set(vec![cookie]), Redirect::to("/sign-up/sent?again=yes"))
                .into_response())
        }
        Err(problem) if problem.keeps_the_form() => {
            let page = super::form_page(
                &vestibule,
                &visit,
                "Look into your mailbox",
                Some(&problem),
                |errors, summary| SignUpSentPage {
                    email: (problem.code != "conflict").then_some(""),
                    typed: &fields.email,
                    is_sent_again: false,
                    errors,
                    summary,
                },
            );
            Ok(page)
        }
        Err(problem) => Err(problem),
    }
}
