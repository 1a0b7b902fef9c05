//! `/admin/mails`: what is to be sent, and what became of it.

use ::vestibule::models::{MailCounts, MailState, OutgoingMailId, TrackedMail};
use ::vestibule::repository::MailFilter;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::{ROWS, Section, Tab, administrator, link, tabs};
use crate::moments::{iso, minute};
use crate::{ClientOf, CurrentUser, PageVisit, Path, Problem, Query, Vestibule};

/// What is looked for, and what was just done.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MailsQuery {
    state: String,
    below: Option<Uuid>,
    done: String,
}

#[derive(Template)]
#[template(path = "admin/mails.html")]
struct MailsTemplate<'a> {
    tabs: [Tab; 4],
    csrf_token: &'a str,
    notice: Option<&'static str>,
    counts: MailCounts,
    state: String,
    states: [MailState; 4],
    mails: Vec<MailView>,
    is_first_page: bool,
    first_page: String,
    next_page: Option<String>,
}

struct MailView {
    kind: String,
    recipient: String,
    state: &'static str,
    is_dead: bool,
    may_be_retried: bool,
    written: String,
    written_iso: String,
    attempts: u32,
    /// When it was over or is tried next.
    moment: String,
    moment_iso: String,
    reason: String,
    retry_action: String,
}

impl MailView {
    fn of(tracked: &TrackedMail) -> Self {
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
            retry_action: format!("/admin/mails/{}/retry", tracked.mail.id),
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
    let filter = MailFilter {
        state: MailState::from_word(&query.state),
        below: query.below.map(OutgoingMailId::from),
    };
    let page = accounts.list_mails(filter, ROWS).await?;
    let last = page.items.last().filter(|_| page.has_more);
    let next_page = last
        .map(|last| link("/admin/mails", &[("state", &query.state), ("below", &last.mail.id.to_string())]));
    let notice = match query.done.as_str() {
        "retried" => Some("The mail is tried again at once."),
        "not-retried" => {
            Some("There is nothing to try again: it was sent, or its turn comes within two minutes.")
        }
        _ => None,
    };
    let content = MailsTemplate {
        tabs: tabs(Section::Mails),
        csrf_token: visit.csrf_token(),
        notice,
        counts: accounts.count_mails().await?,
        states: MailState::ALL,
        mails: page.items.iter().map(MailView::of).collect(),
        is_first_page: query.below.is_none(),
        first_page: link("/admin/mails", &[("state", &query.state)]),
        next_page,
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
) -> Result<Response, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    let is_retried = vestibule.accounts().retry_mail(id.into(), &by).await?;
    let word = if is_retried { "retried" } else { "not-retried" };
    Ok(Redirect::to(&format!("/admin/mails?done={word}")).into_response())
}
