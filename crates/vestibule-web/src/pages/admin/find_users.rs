//! `/admin/users`: who has an account, and the page of one of them.

use ::vestibule::models::{AuditEvent, Role, User, UserId};
use ::vestibule::repository::{AuditFilter, UserFilter};
use ::vestibule::services::PageOf;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use uuid::Uuid;

use super::audit_trail::EventView;
use super::{ROWS, Section, Tab, link, next_page, tabs};
use crate::moments::{day, iso};
use crate::pages::NOT_YET;
use crate::pages::account::{SESSIONS_SHOWN, SessionView, more_sessions};
use crate::{CurrentUser, PageVisit, Path, Problem, Query, Vestibule};

/// How many events stand on a user's page. The audit trail has the rest.
const EVENTS: u32 = 10;

/// What is looked for, and what was just done.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct UsersQuery {
    /// Letters of a name or an address; empty for all.
    pub q: String,
    /// The role; empty for all.
    pub role: String,
    below: Option<Uuid>,
    done: String,
}

/// What was just done, in the address of a user's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// Another role.
    RoleChanged,
    /// Shut out.
    Disabled,
    /// Let in again.
    Enabled,
    /// A mail is on its way.
    LinkSent,
    /// One session less.
    SessionEnded,
    /// No session left.
    SessionsEnded,
    /// Nothing: the password was asked for.
    NotYet,
    /// A word that we do not know.
    #[serde(other)]
    Unknown,
}

/// What the address of a user's page may carry.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct UserQuery {
    done: Option<Done>,
}

/// What the list shows.
pub struct UsersPage<'a> {
    /// The menu of this part of the site.
    pub tabs: [Tab; 5],
    /// What is looked for.
    pub query: UsersQuery,
    /// All roles.
    pub roles: Vec<Role>,
    /// What was just done.
    pub notice: Option<&'a str>,
    /// Who was found.
    pub users: Vec<UserView>,
    /// Whether this is the first page.
    pub is_first_page: bool,
    /// Where the first page is.
    pub first_page: String,
    /// Where the next one is, if there is one.
    pub next_page: Option<String>,
}

/// A user as a person reads of them.
pub struct UserView {
    /// Their page.
    pub href: String,
    /// Their id.
    pub id: String,
    /// How they are called.
    pub name: String,
    /// Their address.
    pub email: String,
    /// Whether it is confirmed.
    pub is_email_verified: bool,
    /// What they may do.
    pub role: String,
    /// Whether they are shut out.
    pub is_disabled: bool,
    /// The day of the sign-up.
    pub since: String,
    /// The same in the form of RFC 3339.
    pub since_iso: String,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            href: format!("/admin/users/{}", user.id),
            id: user.id.to_string(),
            name: user.name.to_string(),
            email: user.email.to_string(),
            is_email_verified: user.is_email_verified,
            role: user.role.to_string(),
            is_disabled: user.is_disabled,
            since: day(user.created_at),
            since_iso: iso(user.created_at),
        }
    }
}

/// What the page of a user shows.
pub struct UserPage<'a> {
    /// The menu of this part of the site.
    pub tabs: [Tab; 5],
    /// What every form of this page has to send as `csrf_token`.
    pub csrf_token: &'a str,
    /// What was just done.
    pub notice: Option<&'a str>,
    /// Why something could not be done.
    pub summary: Option<&'a str>,
    /// Whose page it is.
    pub user: UserView,
    /// Whether it is one's own.
    pub is_self: bool,
    /// All roles.
    pub roles: Vec<Role>,
    /// Where the user is logged in.
    pub sessions: Vec<SessionView>,
    /// How many sessions there are besides those.
    pub more_sessions: u64,
    /// What happened lately.
    pub events: Vec<EventView>,
    /// Where the rest of that is.
    pub all_events: String,
}

impl Done {
    fn in_words(self) -> Option<&'static str> {
        match self {
            Self::RoleChanged => Some("The role is changed. It holds from the next request on."),
            Self::Disabled => Some("The account is disabled, and its sessions are ended."),
            Self::Enabled => Some("The account may be used again."),
            Self::LinkSent => Some("A mail with a link to choose a new password is on its way."),
            Self::SessionEnded => Some("That session is ended."),
            Self::SessionsEnded => Some("All sessions are ended."),
            Self::NotYet => Some(NOT_YET),
            Self::Unknown => None,
        }
    }
}

/// The list.
pub async fn list(
    State(vestibule): State<Vestibule>,
    Query(query): Query<UsersQuery>,
    visit: PageVisit,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let role = (!query.role.is_empty()).then(|| query.role.parse::<Role>());
    let page = match role.transpose() {
        Ok(role) => {
            let below = query.below.map(UserId::from);
            accounts.list_users(&UserFilter { words: query.q.clone(), role, below }, ROWS).await?
        }
        // A role that nobody can have: a filter that lets nobody through, and no error.
        Err(_) => PageOf::empty(),
    };
    let filters = [("q", query.q.as_str()), ("role", &query.role)];
    let content = UsersPage {
        tabs: tabs(Section::Users),
        roles: accounts.roles(),
        notice: match query.done.as_str() {
            "deleted" => Some("The account is deleted, with everything that belonged to it."),
            "not-yet" => Some(NOT_YET),
            _ => None,
        },
        users: page.items.iter().map(UserView::from).collect(),
        is_first_page: query.below.is_none(),
        first_page: link("/admin/users", &filters),
        next_page: next_page(&page, "/admin/users", &filters, |user| user.id.to_string()),
        query,
    };
    Ok(vestibule.page(&visit, "Users", &content))
}

/// The page of one user.
pub async fn user(
    State(vestibule): State<Vestibule>,
    Path(id): Path<Uuid>,
    Query(query): Query<UserQuery>,
    visit: PageVisit,
    current: CurrentUser,
) -> Result<Response, Problem> {
    user_page(&vestibule, &visit, &current, id.into(), query.done, None).await
}

/// The page of a user on which something could not be done, or the problem itself where it cannot be told there.
pub(super) async fn refused(
    vestibule: &Vestibule,
    visit: &PageVisit,
    current: &CurrentUser,
    id: UserId,
    problem: Problem,
) -> Result<Response, Problem> {
    if !matches!(problem.status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY) {
        return Err(problem);
    }
    user_page(vestibule, visit, current, id, None, Some(&problem)).await
}

async fn user_page(
    vestibule: &Vestibule,
    visit: &PageVisit,
    current: &CurrentUser,
    id: UserId,
    done: Option<Done>,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let user = accounts.find_user(id).await?.ok_or_else(Problem::not_found)?;
    let sessions = accounts.list_sessions_of(id).await?;
    let filter = AuditFilter { user: Some(id), ..AuditFilter::default() };
    let events: Vec<AuditEvent> = accounts.list_audit_events(filter, EVENTS).await?.items;
    let mut roles = accounts.roles();
    // One that the configuration does not name any more is still theirs.
    if !roles.contains(&user.role) {
        roles.push(user.role.clone());
    }
    let summary = problem.map(|problem| {
        problem.errors.first().map_or(problem.detail.as_str(), |invalid| invalid.message.as_str())
    });
    let content = UserPage {
        tabs: tabs(Section::Users),
        csrf_token: visit.csrf_token(),
        notice: done.and_then(Done::in_words),
        summary,
        is_self: user.id == current.user().id,
        roles,
        more_sessions: more_sessions(accounts, id, sessions.len()).await?,
        sessions: sessions
            .iter()
            .take(SESSIONS_SHOWN)
            .map(|session| {
                let end_action = format!("/admin/users/{id}/sessions/{}/end", session.public_id);
                SessionView::of(session, current.session(), end_action)
            })
            .collect(),
        events: events.iter().map(EventView::of).collect(),
        all_events: link("/admin/audit", &[("user", &id.to_string())]),
        user: UserView::from(&user),
    };
    let status = problem.map_or(StatusCode::OK, |problem| problem.status);
    let mut response = vestibule.page_with_status(status, visit, user.name.as_str(), &content);
    if let Some(problem) = problem {
        // For the log.
        response.extensions_mut().insert(problem.clone());
    }
    Ok(response)
}
