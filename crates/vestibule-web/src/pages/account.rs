//! `/account`: everything that one can do with an account of one's own.

use ::vestibule::Accounts;
use ::vestibule::models::{EmailAddress, Session, UserId};
use ::vestibule::repository::StoreError;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::moments::{day, iso, minute};
use crate::{CurrentUser, FieldErrors, PageVisit, Problem, Query, Vestibule};

/// How many sessions are told one by one. Who has more ends all others with one button.
pub(super) const SESSIONS_SHOWN: usize = 10;

/// A form of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// How one is called.
    Name,
    /// The address.
    Email,
    /// The password.
    Password,
    /// Where one is logged in.
    Sessions,
    /// The end.
    Delete,
}

/// What was typed into one form of the page and could not be taken.
pub struct Refused<'a> {
    /// Which form.
    pub part: Part,
    /// What was typed, passwords excepted.
    pub typed: &'a str,
    /// Why.
    pub problem: &'a Problem,
}

/// What was just done, in the address of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// Another name.
    NameChanged,
    /// A mail is on its way to another address.
    EmailRequested,
    /// No mail leads to another address any more.
    EmailKept,
    /// Another password.
    PasswordChanged,
    /// One session less.
    SessionEnded,
    /// Only this session left.
    OthersEnded,
    /// A word that we do not know.
    #[serde(other)]
    Unknown,
}

/// What the address of the page may carry.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct AccountQuery {
    done: Option<Done>,
}

/// What the page shows.
pub struct AccountPage<'a> {
    /// What every form of this page has to send as `csrf_token`.
    pub csrf_token: &'a str,
    /// What was just done.
    pub notice: Option<&'a str>,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
    /// How one is called.
    pub name: &'a str,
    /// One's address.
    pub email: &'a str,
    /// Whether it is confirmed.
    pub is_email_verified: bool,
    /// The address that shall take its place, once the link is used that was mailed there.
    pub pending_email: Option<&'a str>,
    /// The day of the sign-up.
    pub member_since: String,
    /// The same in the form of RFC 3339.
    pub member_since_iso: String,
    /// The name that was typed, or the present one.
    pub typed_name: &'a str,
    /// The new address that was typed.
    pub typed_email: &'a str,
    /// What is wrong in the form of the name.
    pub name_errors: FieldErrors,
    /// What is wrong in the form of the address.
    pub email_errors: FieldErrors,
    /// What is wrong in the form of the password.
    pub password_errors: FieldErrors,
    /// What is wrong in the form that deletes the account.
    pub delete_errors: FieldErrors,
    /// Whether that form is shown open.
    pub is_delete_open: bool,
    /// Where one is logged in.
    pub sessions: Vec<SessionView>,
    /// How many sessions there are besides those.
    pub more_sessions: u64,
    /// Whether there is another session than this one.
    pub has_others: bool,
}

/// A session as a person reads of it.
pub struct SessionView {
    /// Browser and system, in words.
    pub device: String,
    /// The network address, in words.
    pub place: String,
    /// When it began.
    pub began: String,
    /// The same in the form of RFC 3339.
    pub began_iso: String,
    /// When it was last used.
    pub last_seen: String,
    /// The same in the form of RFC 3339.
    pub last_seen_iso: String,
    /// Whether the page was asked for with it.
    pub is_current: bool,
    /// Where the form that ends it is sent to.
    pub end_action: String,
}

impl SessionView {
    /// What is told of a session, and where the form that ends it is sent to.
    pub(super) fn of(session: &Session, current: &Session, end_action: String) -> Self {
        let client = &session.client;
        Self {
            device: client.device_in_words(),
            place: client.place_in_words(),
            began: minute(session.created_at),
            began_iso: iso(session.created_at),
            last_seen: minute(session.last_seen_at),
            last_seen_iso: iso(session.last_seen_at),
            is_current: session.public_id == current.public_id,
            end_action,
        }
    }
}

impl Done {
    fn in_words(self) -> Option<&'static str> {
        match self {
            Self::NameChanged => Some("Your name is changed."),
            Self::EmailRequested => Some(
                "Look into the mailbox of the new address: it becomes yours when you use the link that we sent there.",
            ),
            Self::EmailKept => {
                Some("Your address stays as it is. The link that we sent to the other is over.")
            }
            Self::PasswordChanged => {
                Some("Your password is changed, and you are logged out everywhere else.")
            }
            Self::SessionEnded => Some("That session is ended."),
            Self::OthersEnded => Some("You are logged out everywhere but here."),
            Self::Unknown => None,
        }
    }
}

/// How many sessions somebody has besides those that are shown. The list itself is limited, so they are counted.
pub(super) async fn more_sessions(
    accounts: &Accounts,
    user: UserId,
    listed: usize,
) -> Result<u64, StoreError> {
    if listed <= SESSIONS_SHOWN {
        return Ok(0);
    }
    let shown = u64::try_from(SESSIONS_SHOWN).unwrap_or(u64::MAX);
    Ok(accounts.count_sessions_of(user).await?.saturating_sub(shown))
}

/// The page.
pub async fn account(
    State(vestibule): State<Vestibule>,
    Query(query): Query<AccountQuery>,
    visit: PageVisit,
    current: CurrentUser,
) -> Result<Response, Problem> {
    page(&vestibule, &visit, &current, query.done, None).await
}

/// Where password managers send people who want to change their password (the W3C's "A Well-Known URL for Changing
/// Passwords").
pub async fn change_password_address() -> Redirect {
    Redirect::to("/account#password")
}

/// Back to the page, which says what was done.
pub(super) fn done(word: &str, section: &str) -> Redirect {
    Redirect::to(&format!("/account?done={word}#{section}"))
}

/// The page with a form that could not be taken, or the problem itself where it cannot be told there.
pub(super) async fn refused(
    vestibule: &Vestibule,
    visit: &PageVisit,
    current: &CurrentUser,
    refused: Refused<'_>,
) -> Result<Response, Problem> {
    let is_session_over = refused.problem.is_session_over;
    if is_session_over || !refused.problem.keeps_the_form() {
        return Err(refused.problem.clone());
    }
    // The address that the form was sent to has no page.
    page(vestibule, &visit.of_form_on("/account"), current, None, Some(refused)).await
}

async fn page(
    vestibule: &Vestibule,
    visit: &PageVisit,
    current: &CurrentUser,
    done: Option<Done>,
    refused: Option<Refused<'_>>,
) -> Result<Response, Problem> {
    let sessions = match vestibule.accounts().list_sessions(current.current()).await {
        Ok(sessions) => sessions,
        // What somebody typed is shown again even where the list cannot be read.
        Err(_) if refused.is_some() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let pending_email = match vestibule.accounts().pending_email(current.current()).await {
        Ok(pending_email) => pending_email,
        Err(_) if refused.is_some() => None,
        Err(error) => return Err(error.into()),
    };
    let user = current.user();
    let refused = refused.as_ref();
    let errors_of = |part: Part| {
        refused
            .filter(|refused| refused.part == part)
            .map(|refused| refused.problem.field_errors())
            .unwrap_or_default()
    };
    let typed_in = |part: Part, otherwise| {
        refused.filter(|refused| refused.part == part).map_or(otherwise, |refused| refused.typed)
    };
    let problem = refused.map(|refused| refused.problem);
    let content = AccountPage {
        csrf_token: visit.csrf_token(),
        notice: done.and_then(Done::in_words),
        summary: problem.filter(|problem| problem.errors.is_empty()).map(|problem| problem.detail.as_str()),
        name: user.name.as_str(),
        email: user.email.as_str(),
        is_email_verified: user.is_email_verified,
        pending_email: pending_email.as_ref().map(EmailAddress::as_str),
        member_since: day(user.created_at),
        member_since_iso: iso(user.created_at),
        typed_name: typed_in(Part::Name, user.name.as_str()),
        typed_email: typed_in(Part::Email, ""),
        name_errors: errors_of(Part::Name),
        email_errors: errors_of(Part::Email),
        password_errors: errors_of(Part::Password),
        delete_errors: errors_of(Part::Delete),
        is_delete_open: refused.is_some_and(|refused| refused.part == Part::Delete),
        has_others: sessions.len() > 1,
        more_sessions: more_sessions(vestibule.accounts(), user.id, sessions.len()).await?,
        sessions: sessions
            .iter()
            .take(SESSIONS_SHOWN)
            .map(|session| {
                let end_action = format!("/account/sessions/{}/end", session.public_id);
                SessionView::of(session, current.session(), end_action)
            })
            .collect(),
    };
    let status = problem.map_or(StatusCode::OK, |problem| problem.status);
    let mut response = vestibule.page_with_status(status, visit, "Your account", &content);
    if let Some(problem) = problem {
        problem.tell_when(response.headers_mut());
        // For the log.
        response.extensions_mut().insert(problem.clone());
    }
    Ok(response.into_response())
}
