//! `/admin/audit`: who did what, when and from where.

use ::vestibule::models::{Actor, AuditEvent, AuditEventId, AuditEventKind, UserId};
use ::vestibule::repository::AuditFilter;
use ::vestibule::services::PageOf;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use uuid::Uuid;

use super::{ROWS, Section, Tab, link, next_page, tabs};
use crate::moments::{iso, minute};
use crate::{PageVisit, Problem, Query, Vestibule};

/// What is looked for. A form sends what is not filled in too, as an empty text.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct AuditQuery {
    /// The kind of event; empty for all.
    pub kind: String,
    /// Whom it concerns: letters of their address or name, or their id, as typed.
    pub user: String,
    /// The admin who did it, in the same way.
    pub admin: String,
    /// The first day, in UTC, as typed.
    pub from: String,
    /// The last day, in UTC, as typed.
    pub to: String,
    below: Option<Uuid>,
}

/// What the page shows.
pub struct AuditPage<'a> {
    /// The menu of this part of the site.
    pub tabs: [Tab; 5],
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

/// Somebody as they are looked for.
#[derive(Clone, Copy)]
enum Person<'a> {
    Anybody,
    Id(UserId),
    /// Letters of the address or the name.
    Named(&'a str),
}

impl<'a> Person<'a> {
    fn of(typed: &'a str) -> Self {
        let typed = typed.trim();
        match typed.parse::<Uuid>() {
            Ok(id) => Self::Id(id.into()),
            Err(_) if typed.is_empty() => Self::Anybody,
            Err(_) => Self::Named(typed),
        }
    }

    fn id(self) -> Option<UserId> {
        if let Self::Id(id) = self { Some(id) } else { None }
    }

    fn words(self) -> Option<&'a str> {
        if let Self::Named(words) = self { Some(words) } else { None }
    }
}

impl AuditQuery {
    /// The filter, or a sentence about what is no filter: that finds nothing, and must not find everything.
    fn filter(&self) -> Result<AuditFilter<'_>, &'static str> {
        let kind = AuditEventKind::from_word(&self.kind);
        if kind.is_none() && !self.kind.is_empty() {
            return Err("There is no such kind of event.");
        }
        let from = day_of(&self.from)?;
        // A day is meant to its end.
        let end = day_of(&self.to)?.and_then(Date::next_day);
        let first_of = |day: Date| AuditEventId::lowest_at(day.midnight().assume_utc());
        let (user, admin) = (Person::of(&self.user), Person::of(&self.admin));
        Ok(AuditFilter {
            kind,
            user: user.id(),
            user_named: user.words(),
            admin: admin.id(),
            admin_named: admin.words(),
            from: from.map(first_of),
            below: self.below.map(AuditEventId::from).into_iter().chain(end.map(first_of)).min(),
        })
    }
}

/// A day as browsers send it, or none.
fn day_of(typed: &str) -> Result<Option<Date>, &'static str> {
    const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(None);
    }
    Date::parse(typed, DAY).map(Some).map_err(|_| "A day is written like 2026-05-31.")
}

/// The list.
pub async fn list(
    State(vestibule): State<Vestibule>,
    Query(query): Query<AuditQuery>,
    visit: PageVisit,
) -> Result<Response, Problem> {
    let (page, wrong) = match query.filter() {
        Ok(filter) => (vestibule.accounts().list_audit_events(filter, ROWS).await?, None),
        Err(wrong) => (PageOf::empty(), Some(wrong)),
    };
    let filters = [
        ("kind", query.kind.as_str()),
        ("user", &query.user),
        ("admin", &query.admin),
        ("from", &query.from),
        ("to", &query.to),
    ];
    let content = AuditPage {
        tabs: tabs(Section::Audit),
        summary: wrong,
        kinds: &AuditEventKind::ALL,
        events: page.items.iter().map(EventView::of).collect(),
        is_first_page: query.below.is_none(),
        first_page: link("/admin/audit", &filters),
        next_page: next_page(&page, "/admin/audit", &filters, |event| event.id.to_string()),
        query,
    };
    Ok(vestibule.page(&visit, "Audit trail", &content))
}
