//! `/forgot-password`.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::request_log::SameForAll;
use crate::{ClientOf, FieldErrors, Form, PageVisit, Problem, Vestibule};

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    email: String,
}

/// What the page shows.
pub struct ForgotPasswordPage<'a> {
    /// The address that was typed.
    pub email: &'a str,
    /// What is wrong, field by field.
    pub errors: FieldErrors,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
}

/// What `/forgot-password/sent` shows: nothing that depends on what was typed, for it must not tell who has an account.
pub struct ForgotPasswordSentPage<'a> {
    /// Whether the site has a way to send mails.
    pub sends_mail: bool,
    /// The site's name.
    pub site_name: &'a str,
}

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
        Ok(()) => Ok((Extension(SameForAll), Redirect::to("/forgot-password/sent")).into_response()),
        Err(problem) if problem.keeps_the_form() => Ok(page(&vestibule, &visit, &fields, Some(&problem))),
        Err(problem) => Err(problem),
    }
}

/// What comes next.
pub async fn sent(State(vestibule): State<Vestibule>, visit: PageVisit) -> Response {
    let sends_mail = vestibule.accounts().policy().sends_mail;
    let title = if sends_mail { "Look into your mailbox" } else { "No mail can be sent" };
    vestibule.page(&visit, title, &ForgotPasswordSentPage { sends_mail, site_name: vestibule.site_name() })
}

fn page(vestibule: &Vestibule, visit: &PageVisit, fields: &Fields, problem: Option<&Problem>) -> Response {
    super::form_page(vestibule, visit, "Forgot your password?", problem, |errors, summary| {
        ForgotPasswordPage { email: &fields.email, errors, summary }
    })
}
