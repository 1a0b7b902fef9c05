//! `/admin/users`: who has an account, and the page of one of them.

use ::vestibule::models::{AuditEvent, Role, Session, User, UserId};
use ::vestibule::repository::{AuditFilter, UserFilter};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use uuid::Uuid;

use super::audit_trail::EventView;
use super::{ROWS, Section, Tab, link, tabs};
use crate::moments::{day, iso, minute};
use crate::{CurrentUser, PageVisit, Path, Problem, Query, Vestibule};

/// How many events stand on a user's page. The audit trail has the rest.
const EVENTS: u32 = 20;

/// What is looked for, and what was just done.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct UsersQuery {
    q: String,
    role: String,
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

#[derive(Template)]
#[template(path = "admin/users.html")]
struct UsersTemplate {
    tabs: [Tab; 4],
    query: UsersQuery,
    roles: Vec<Role>,
    notice: Option<&'static str>,
    users: Vec<UserView>,
    is_first_page: bool,
    first_page: String,
    next_page: Option<String>,
}

struct UserView {
    href: String,
    name: String,
    email: String,
    is_email_verified: bool,
    role: String,
    is_disabled: bool,
    since: String,
    since_iso: String,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            href: format!("/admin/users/{}", user.id),
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

#[derive(Template)]
#[template(path = "admin/user.html")]
struct UserTemplate<'a> {
    tabs: [Tab; 4],
    csrf_token: &'a str,
    notice: Option<&'static str>,
    summary: Option<&'a str>,
    user: UserView,
    is_self: bool,
    roles: Vec<Role>,
    sessions: Vec<SessionView>,
    events: Vec<EventView>,
    all_events: String,
}

struct SessionView {
    device: String,
    place: String,
    began: String,
    began_iso: String,
    last_seen: String,
    last_seen_iso: String,
    end_action: String,
}

impl SessionView {
    fn of(session: &Session) -> Self {
        Self {
            device: session.client.device_in_words(),
            place: session.client.place_in_words(),
            began: minute(session.created_at),
            began_iso: iso(session.created_at),
            last_seen: minute(session.last_seen_at),
            last_seen_iso: iso(session.last_seen_at),
            end_action: format!("/admin/users/{}/sessions/{}/end", session.user_id, session.public_id),
        }
    }
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
    let filter = UserFilter {
        words: query.q.clone(),
        // A role that nobody can have is a filter that lets nobody through, and no error.
        role: query.role.parse().ok(),
        below: query.below.map(UserId::from),
    };
    let page = accounts.list_users(&filter, ROWS).await?;
    let last = page.items.last().filter(|_| page.has_more);
    let next_page = last.map(|last| {
        link("/admin/users", &[("q", &query.q), ("role", &query.role), ("below", &last.id.to_string())])
    });
    let content = UsersTemplate {
        tabs: tabs(Section::Users),
        roles: accounts.roles(),
        notice: (query.done == "deleted")
            .then_some("The account is deleted, with everything that belonged to it."),
        users: page.items.iter().map(UserView::from).collect(),
        is_first_page: query.below.is_none(),
        first_page: link("/admin/users", &[("q", &query.q), ("role", &query.role)]),
        next_page,
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
    let content = UserTemplate {
        tabs: tabs(Section::Users),
        csrf_token: visit.csrf_token(),
        notice: done.and_then(Done::in_words),
        summary,
        is_self: user.id == current.user().id,
        roles,
        sessions: sessions.iter().map(SessionView::of).collect(),
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
