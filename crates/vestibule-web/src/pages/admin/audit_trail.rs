//! `/admin/audit`: who did what, when and from where.

use ::vestibule::models::{Actor, AuditEvent, AuditEventId, AuditEventKind, UserId};
use ::vestibule::repository::AuditFilter;
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
    /// The kind of event; empty for all.
    pub kind: String,
    /// The id of the user whom it concerns, as typed.
    pub user: String,
    /// The id of the admin who did it, as typed.
    pub admin: String,
    below: Option<Uuid>,
}

/// What the page shows.
pub struct AuditPage<'a> {
    /// The menu of this part of the site.
    pub tabs: [Tab; 4],
    /// What is looked for.
    pub query: AuditQuery,
    /// What is wrong with that.
    pub summary: Option<&'a str>,
    /// All kinds of events.
    pub kinds: &'a [AuditEventKind],
    /// What was found.
    pub events: Vec<EventView>,
    /// Whether this is the first page.
    pub is_first_page: bool,
    /// Where the first page is.
    pub first_page: String,
    /// Where the next one is, if there is one.
    pub next_page: Option<String>,
}

/// An event as a person reads it.
pub struct EventView {
    /// What happened.
    pub what: String,
    /// More about it, or nothing.
    pub detail: String,
    /// Id and page of the user whom it concerns.
    pub user: Option<(String, String)>,
    /// Who did it, or nothing where it was the user.
    pub by: String,
    /// The page of who did it.
    pub by_href: Option<String>,
    /// When.
    pub when: String,
    /// The same in the form of RFC 3339.
    pub when_iso: String,
    /// From which network address, in words.
    pub place: String,
    /// With which browser and system, in words.
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
        let (place, device) = match event.actor {
            Actor::Operator => ("the server itself".to_owned(), String::new()),
            Actor::Visitor | Actor::Admin(_) => {
                (event.client.place_in_words(), event.client.device_in_words())
            }
        };
        Self {
            what: event.kind.as_str().replace('_', " "),
            detail: event.detail.clone(),
            user: event.user_id.map(of_user),
            by,
            by_href,
            when: minute(event.created_at),
            when_iso: iso(event.created_at),
            place,
            device,
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
    let content = AuditPage {
        tabs: tabs(Section::Audit),
        summary: is_wrong.then_some("A user is named by their id here; it stands on their page."),
        kinds: &AuditEventKind::ALL,
        events: page.items.iter().map(EventView::of).collect(),
        is_first_page: query.below.is_none(),
        first_page: link("/admin/audit", &filters),
        next_page,
        query,
    };
    Ok(vestibule.page(&visit, "Audit trail", &content))
}
