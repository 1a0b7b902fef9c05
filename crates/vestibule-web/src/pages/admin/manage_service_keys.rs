//! `/admin/service-keys`: keys by which programs beside the site are let in.

use std::collections::BTreeMap;

use ::vestibule::models::{ServiceKey, ServiceKeyId, ServiceScope};
use ::vestibule::services::MakeServiceKey;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{ROWS, Section, Tab, administrator, next_page, tabs};
use crate::moments::{iso, minute};
use crate::pages::NOT_YET;
use crate::{ClientOf, CurrentUser, FieldErrors, Form, PageVisit, Path, Problem, Query, Vestibule};

const ADDRESS: &str = "/admin/service-keys";
/// How long keys of this page may be good: what is sent, what is read, and the days.
const LIFETIMES: [(&str, &str, Option<i64>); 4] = [
    ("never", "Until it is revoked", None),
    ("30d", "30 days", Some(30)),
    ("90d", "90 days", Some(90)),
    ("365d", "A year", Some(365)),
];

/// Which part of the list, and what was just done.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct ServiceKeysQuery {
    below: Option<Uuid>,
    done: String,
}

/// What the page shows.
pub struct ServiceKeysPage<'a> {
    /// The menu of this part of the site.
    pub tabs: [Tab; 5],
    /// What every form of this page has to send as `csrf_token`.
    pub csrf_token: &'a str,
    /// What was just done.
    pub notice: Option<&'a str>,
    /// The key that was just made. It is shown this once.
    pub key: Option<&'a str>,
    /// The name that was typed.
    pub name: &'a str,
    /// What a key may do, and whether that was chosen.
    pub scopes: Vec<ScopeChoice>,
    /// How long a key may be good, and which was chosen.
    pub lifetimes: Vec<LifetimeChoice>,
    /// What is wrong, field by field.
    pub errors: FieldErrors,
    /// What is wrong where no field is to blame.
    pub summary: Option<&'a str>,
    /// Those that there are.
    pub keys: Vec<ServiceKeyView>,
    /// Whether this is the first page of them.
    pub is_first_page: bool,
    /// Where the first page is.
    pub first_page: &'a str,
    /// Where the next one is, if there is one.
    pub next_page: Option<String>,
}

/// Something that a key may do.
pub struct ScopeChoice {
    /// Its word, which is the name of its field too.
    pub word: &'static str,
    /// What it allows.
    pub about: &'static str,
    /// Whether it was chosen.
    pub is_chosen: bool,
}

/// How long a key may be good.
pub struct LifetimeChoice {
    /// What is sent.
    pub word: &'static str,
    /// What is read.
    pub label: &'static str,
    /// Whether it was chosen.
    pub is_chosen: bool,
}

/// A key as a person reads it.
pub struct ServiceKeyView {
    /// What the program is called.
    pub name: String,
    /// What it may do.
    pub scopes: String,
    /// When it was made.
    pub created: String,
    /// The same in the form of RFC 3339.
    pub created_iso: String,
    /// When it was last used, and the same in the form of RFC 3339; none while it never was.
    pub last_used: Option<(String, String)>,
    /// Until when it is good, and the same in the form of RFC 3339; none without end.
    pub expires: Option<(String, String)>,
    /// Whether that is over.
    pub is_over: bool,
    /// Where the form that ends it is sent.
    pub revoke_action: String,
}

impl ServiceKeyView {
    fn new(key: &ServiceKey, now: OffsetDateTime) -> Self {
        let both = |moment| (minute(moment), iso(moment));
        Self {
            name: key.name.to_string(),
            scopes: key.scope_words(),
            created: minute(key.created_at),
            created_iso: iso(key.created_at),
            last_used: key.last_used_at.map(both),
            expires: key.expires_at.map(both),
            is_over: key.is_over(now),
            revoke_action: format!("{ADDRESS}/{}/revoke", key.id),
        }
    }
}

/// The list, and the form.
pub async fn list(
    State(vestibule): State<Vestibule>,
    Query(query): Query<ServiceKeysQuery>,
    visit: PageVisit,
) -> Result<Response, Problem> {
    let notice = match query.done.as_str() {
        "revoked" => Some("The key is revoked. The next request with it is refused."),
        "not-yet" => Some(NOT_YET),
        _ => None,
    };
    let below = query.below.map(ServiceKeyId::from);
    page(&vestibule, &visit, &BTreeMap::new(), Shown { notice, below, ..Shown::default() }).await
}

/// Makes a key and shows it. Not by a redirect: a key in an address would stay in the browser's history.
pub async fn make(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    visit: PageVisit,
    current: CurrentUser,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Result<Response, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    let words = ServiceScope::ALL.map(ServiceScope::as_str);
    let scopes: Vec<&str> = words.into_iter().filter(|word| fields.contains_key(*word)).collect();
    let chosen = LIFETIMES.iter().find(|(word, ..)| Some(*word) == fields.get("expires").map(String::as_str));
    // A word that the form has not is out of the range, as a length of no time is.
    let lifetime = chosen.map_or(Some(Duration::ZERO), |(.., days)| days.map(Duration::days));
    let new = MakeServiceKey { name: text(&fields, "name"), scopes: &scopes, lifetime };
    match vestibule.accounts().make_service_key(new, &by).await.map_err(Problem::from) {
        Ok((_, key)) => {
            let shown = Shown { key: Some(&key), ..Shown::default() };
            page(&vestibule, &visit, &BTreeMap::new(), shown).await
        }
        Err(problem) if problem.keeps_the_form() => {
            page(&vestibule, &visit, &fields, Shown { problem: Some(&problem), ..Shown::default() }).await
        }
        Err(problem) => Err(problem),
    }
}

/// Ends a key.
pub async fn revoke(
    State(vestibule): State<Vestibule>,
    ClientOf(client): ClientOf,
    current: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Redirect, Problem> {
    let by = administrator(&vestibule, &current, &client)?;
    vestibule.accounts().revoke_service_key(id.into(), &by).await?;
    Ok(Redirect::to("/admin/service-keys?done=revoked"))
}

#[derive(Clone, Copy, Default)]
struct Shown<'a> {
    notice: Option<&'a str>,
    key: Option<&'a str>,
    problem: Option<&'a Problem>,
    below: Option<ServiceKeyId>,
}

fn text<'a>(fields: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

async fn page(
    vestibule: &Vestibule,
    visit: &PageVisit,
    fields: &BTreeMap<String, String>,
    shown: Shown<'_>,
) -> Result<Response, Problem> {
    let accounts = vestibule.accounts();
    let keys = accounts.list_service_keys(shown.below, ROWS).await?;
    let scope = |scope: ServiceScope| ScopeChoice {
        word: scope.as_str(),
        about: scope.about(),
        is_chosen: fields.contains_key(scope.as_str()),
    };
    let lifetime =
        |(word, label, _)| LifetimeChoice { word, label, is_chosen: text(fields, "expires") == word };
    let response =
        crate::pages::form_page(vestibule, visit, "Service keys", shown.problem, |errors, summary| {
            ServiceKeysPage {
                tabs: tabs(Section::ServiceKeys),
                csrf_token: visit.csrf_token(),
                notice: shown.notice,
                key: shown.key,
                name: text(fields, "name"),
                scopes: ServiceScope::ALL.map(scope).into(),
                lifetimes: LIFETIMES.map(lifetime).into(),
                errors,
                summary,
                keys: keys.items.iter().map(|key| ServiceKeyView::new(key, accounts.now())).collect(),
                is_first_page: shown.below.is_none(),
                first_page: ADDRESS,
                next_page: next_page(&keys, ADDRESS, &[], |key| key.id.to_string()),
            }
        });
    Ok(response.into_response())
}
