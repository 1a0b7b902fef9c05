//! `/log-in`.

use ::vestibule::services::LogIn;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::enter;
use crate::{ClientOf, CookieValues, FieldErrors, Form, Next, PageVisit, Problem, Query, Vestibule};

/// What is typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    email: String,
    password: String,
    next: Next,
}

/// What the address of the form may carry.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct LogInQuery {
    next: Next,
    notice: Option<Notice>,
}

/// What was just done elsewhere. Words of our own, never of the address: nobody can make this page say something.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Notice {
    PasswordReset,
    AccountDeleted,
    #[serde(other)]
    Unknown,
}

impl Notice {
    fn in_words(self) -> Option<&'static str> {
        match self {
            Self::PasswordReset => Some("Your new password is set. Log in with it."),
            Self::AccountDeleted => Some("Your account is deleted, and everything that belonged to it."),
            Self::Unknown => None,
        }
    }
}

/// What the page shows.
pub struct LogInPage<'a> {
    /// The address that was typed.
    pub email: &'a str,
    /// Where to go afterwards, sent along as `next`; empty where nothing was asked for.
    pub next: &'a str,
    /// To the sign-up page, with the same `next`; none where strangers cannot sign up.
    pub sign_up_link: Option<String>,
    /// What is wrong, field by field.
    pub errors: FieldErrors,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
    /// What was just done.
    pub notice: Option<&'a str>,
}

/// The empty form.
pub async fn form(
    State(vestibule): State<Vestibule>,
    Query(query): Query<LogInQuery>,
    visit: PageVisit,
) -> Response {
    let notice = query.notice.and_then(Notice::in_words);
    page(&vestibule, &visit, &Fields { next: query.next, ..Fields::default() }, notice, None)
}

/// Logs in, or shows the form again.
pub async fn log_in(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let cookies = CookieValues::read(&headers, vestibule.cookie_names());
    let devices = cookies.devices();
    let typed = LogIn { email: &fields.email, password: &fields.password, devices: &devices };
    match vestibule.accounts().log_in(typed, &client).await.map_err(Problem::from) {
        Ok(logged_in) => Ok(enter(&vestibule, &logged_in, &fields.next)),
        Err(problem) if problem.keeps_the_form() => {
            Ok(page(&vestibule, &visit, &fields, None, Some(&problem)))
        }
        Err(problem) => Err(problem),
    }
}

fn page(
    vestibule: &Vestibule,
    visit: &PageVisit,
    fields: &Fields,
    notice: Option<&str>,
    problem: Option<&Problem>,
) -> Response {
    super::form_page(vestibule, visit, "Log in", problem, |errors, summary| LogInPage {
        email: &fields.email,
        next: fields.next.path().unwrap_or_default(),
        sign_up_link: vestibule.offers_sign_up().then(|| fields.next.link("/sign-up")),
        errors,
        summary,
        notice,
    })
}
