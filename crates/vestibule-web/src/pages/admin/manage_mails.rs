//! `/admin/mails`: what is to be sent, and what became of it.

use ::vestibule::models::{MailCounts, MailState, OutgoingMailId, TrackedMail};
use ::vestibule::repository::MailFilter;
use ::vestibule::services::PageOf;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::{ROWS, Section, Tab, administrator, link, next_page, tabs};
use crate::moments::{iso, minute};
use crate::pages::NOT_YET;
use crate::{ClientOf, CurrentUser, PageVisit, Path, Problem, Query, Vestibule};

/// What is looked for, and what was just done.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MailsQuery {
    state: String,
    below: Option<Uuid>,
    done: String,
}

/// What the page shows.
pub struct MailsPage<'a> {
    /// The menu of this part of the site.
    pub tabs: [Tab; 5],
    /// What every form of this page has to send as `csrf_token`.
    pub csrf_token: &'a str,
    /// What was just done.
    pub notice: Option<&'a str>,
    /// How many wait and how many were given up.
    pub counts: MailCounts,
    /// The state that is looked for; empty for all.
    pub state: String,
    /// All states.
    pub states: &'a [MailState],
    /// What was found.
    pub mails: Vec<MailView>,
    /// Whether this is the first page.
    pub is_first_page: bool,
    /// Where the first page is.
    pub first_page: String,
    /// Where the next one is, if there is one.
    pub next_page: Option<String>,
}

/// A mail as a person reads it.
pub struct MailView {
    /// What it tells of.
    pub kind: String,
    /// To whom.
    pub recipient: String,
    /// What became of it.
    pub state: &'static str,
    /// Whether it was given up.
    pub is_dead: bool,
    /// Whether it can be tried again before its time.
    pub may_be_retried: bool,
    /// When it was written.
    pub written: String,
    /// The same in the form of RFC 3339.
    pub written_iso: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was over or is tried next.
    pub moment: String,
    /// The same in the form of RFC 3339.
    pub moment_iso: String,
    /// Why it could not be sent, or nothing.
    pub reason: String,
    /// Where the form that has it tried again is sent to.
    pub retry_action: String,
}

impl MailView {
    fn of(tracked: &TrackedMail, place: &[(&str, &str)]) -> Self {
        let moment = tracked.finished_at.unwrap_or(tracked.next_attempt_at);
        let is_dead = tracked.state.as_str() == "dead";
        Self {
            kind: tracked.mail.kind.as_str().replace('_', " "),
            recipient: tracked.mail.recipient.to_string(),
            state: tracked.state.as_str(),
            is_dead,
            may_be_retried: is_dead || tracked.state == MailState::Waiting && tracked.attempts > 0,
            written: minute(tracked.mail.created_at),
            written_iso: iso(tracked.mail.created_at),
            attempts: tracked.attempts,
            moment: minute(moment),
            moment_iso: iso(moment),
            reason: tracked.reason.clone(),
            retry_action: link(&format!("/admin/mails/{}/retry", tracked.mail.id), place),
        }
    }
}

/// The list.
pub async fn list(
    State(vestibule): State<Vestibule>,
    Query(query): Query<MailsQuery>,
    visit: PageVisit,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let state = MailState::from_word(&query.state);
    let page = if state.is_none() && !query.state.is_empty() {
        // A state that no mail has.
        PageOf::empty()
    } else {
        let below = query.below.map(OutgoingMailId::from);
        accounts.list_mails(MailFilter { state, below }, ROWS).await?
    };
    let notice = match query.done.as_str() {
        "retried" => Some("The mail is tried again at once."),
        "not-retried" => {
            Some("There is nothing to try again: it was sent, or its turn comes within two minutes.")
        }
        "not-yet" => Some(NOT_YET),
        _ => None,
    };
    // So that who tries one again is back where they were.
    let below = query.below.map(|below| below.to_string()).unwrap_or_default();
    let place = [("state", query.state.as_str()), ("below", &below)];
    let filters = [("state", query.state.as_str())];
    let content = MailsPage {
        tabs: tabs(Section::Mails),
        csrf_token: visit.csrf_token(),
        notice,
        counts: accounts.count_mails().await?,
        states: &MailState::ALL,
        mails: page.items.iter().map(|tracked| MailView::of(tracked, &place)).collect(),
        is_first_page: query.below.is_none(),
        first_page: link("/admin/mails", &filters),
        next_page: next_page(&page, "/admin/mails", &filters, |tracked| tracked.mail.id.to_string()),
        state: query.state,
    };
    Ok(vestibule.page(&visit, "Mails", &content))
}

/// Lets a mail be tried again.
pub async fn retry(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<MailsQuery>,
) -> Result<Response, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    let is_retried = vestibule.accounts().retry_mail(id.into(), &by).await?;
    let word = if is_retried { "retried" } else { "not-retried" };
    let below = query.below.map(|below| below.to_string()).unwrap_or_default();
    let back = link("/admin/mails", &[("state", &query.state), ("below", &below), ("done", word)]);
    Ok(Redirect::to(&back).into_response())
}
