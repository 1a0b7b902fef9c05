//! `/admin/audit`: who did what, when and from where.

use ::vestibule::models::{Actor, AuditEvent, AuditEventId, AuditEventKind, UserId};
use ::vestibule::repository::AuditFilter;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use uuid::Uuid;

use super::{ROWS, Section, Tab, link, tabs};
use crate::moments::{iso, minute};
use crate::{PageVisit, Problem, Query, Vestibule};

/// What is looked for. A form sends what is not filled in too, as an empty text.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct AuditQuery {
    kind: String,
    user: String,
    admin: String,
    below: Option<Uuid>,
}

#[derive(Template)]
#[template(path = "admin/audit.html")]
struct AuditTemplate {
    tabs: [Tab; 4],
    query: AuditQuery,
    summary: Option<&'static str>,
    kinds: [AuditEventKind; 26],
    events: Vec<EventView>,
    is_first_page: bool,
    first_page: String,
    next_page: Option<String>,
}

/// An event as a person reads it.
pub(super) struct EventView {
    pub what: String,
    pub detail: String,
    pub user: Option<(String, String)>,
    pub by: String,
    pub by_href: Option<String>,
    pub when: String,
    pub when_iso: String,
    pub place: String,
    pub device: String,
}

impl EventView {
    pub(super) fn of(event: &AuditEvent) -> Self {
        let of_user = |id: UserId| (id.to_string(), format!("/admin/users/{id}"));
        let (by, by_href) = match event.actor {
            Actor::Visitor => (String::new(), None),
            Actor::Operator => ("the command line".to_owned(), None),
            Actor::Admin(None) => ("an admin whose account is gone".to_owned(), None),
            Actor::Admin(Some(id)) => (format!("admin {id}"), Some(of_user(id).1)),
        };
        Self {
            what: event.kind.as_str().replace('_', " "),
            detail: event.detail.clone(),
            user: event.user_id.map(of_user),
            by,
            by_href,
            when: minute(event.created_at),
            when_iso: iso(event.created_at),
            place: event.client.place_in_words(),
            device: event.client.device_in_words(),
        }
    }
}

/// The list.
pub async fn list(
    State(vestibule): State<Vestibule>,
    Query(query): Query<AuditQuery>,
    visit: PageVisit,
) -> Result<Response, Problem> {
    let id = |typed: &str| typed.trim().parse::<Uuid>().ok().map(UserId::from);
    let (user, admin) = (id(&query.user), id(&query.admin));
    // An id that is none finds nothing, which is told; it must not find everything.
    let is_no_id = |typed: &str, id: Option<UserId>| !typed.trim().is_empty() && id.is_none();
    let is_wrong = is_no_id(&query.user, user) || is_no_id(&query.admin, admin);
    let filter = AuditFilter {
        kind: AuditEventKind::from_word(&query.kind),
        user,
        admin,
        below: query.below.map(AuditEventId::from),
    };
    let page = vestibule.accounts().list_audit_events(filter, if is_wrong { 0 } else { ROWS }).await?;
    let filters = [("kind", query.kind.as_str()), ("user", &query.user), ("admin", &query.admin)];
    let last = page.items.last().filter(|_| page.has_more).map(|last| last.id.to_string());
    let next_page = last.map(|last| {
        let [kind, user, admin] = filters;
        link("/admin/audit", &[kind, user, admin, ("below", &last)])
    });
    let content = AuditTemplate {
        tabs: tabs(Section::Audit),
        summary: is_wrong.then_some("A user is named by their id here; it stands on their page."),
        kinds: AuditEventKind::ALL,
        events: page.items.iter().map(EventView::of).collect(),
        is_first_page: query.below.is_none(),
        first_page: link("/admin/audit", &filters),
        next_page,
        query,
    };
    Ok(vestibule.page(&visit, "Audit trail", &content))
}
