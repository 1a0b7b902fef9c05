//! For who looks after the site: `/admin`, one file for each thing that is done, with the names of `vestibule::services`.

pub mod audit_trail;
pub mod change_role;
pub mod chart;
pub mod delete_user;
pub mod disable_user;
pub mod find_users;
pub mod hand_out_link;
pub mod invite;
pub mod manage_mails;
pub mod manage_service_keys;
pub mod manage_sessions;
pub mod statistics;

use ::vestibule::models::{Client, UserId};
use ::vestibule::services::{Administrator, PageOf};
use axum::response::Redirect;

use crate::{CurrentUser, Problem, Vestibule};

/// How many stand on one page of a list: with a button and its token in each row, the page still comes quickly over a slow line.
const ROWS: u32 = 20;

/// A page of this part of the site, for its own menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Overview,
    Users,
    Mails,
    ServiceKeys,
    Audit,
}

/// An entry of that menu.
pub struct Tab {
    /// What it says.
    pub label: &'static str,
    /// Where it leads.
    pub href: &'static str,
    /// Whether one is there.
    pub is_current: bool,
}

fn tabs(here: Section) -> [Tab; 5] {
    let tab = |label, href, section| Tab { label, href, is_current: section == here };
    [
        tab("Overview", "/admin", Section::Overview),
        tab("Users", "/admin/users", Section::Users),
        tab("Mails", "/admin/mails", Section::Mails),
        tab("Service keys", "/admin/service-keys", Section::ServiceKeys),
        tab("Audit trail", "/admin/audit", Section::Audit),
    ]
}

/// The proof that who is logged in may do this. The guard has asked the same; a service takes nothing less.
fn administrator(
    vestibule: &Vestibule,
    current: &CurrentUser,
    client: &Client,
) -> Result<Administrator, Problem> {
    Ok(vestibule.accounts().administrator(current.current(), client)?)
}

/// Back to the page of a user, which says what was done.
fn done(user: UserId, word: &str) -> Redirect {
    Redirect::to(&format!("/admin/users/{user}?done={word}"))
}

/// The address of the next page of a list with these filters, where there is one. `id` tells the id of what stands on it.
fn next_page<T>(
    page: &PageOf<T>,
    path: &str,
    filters: &[(&str, &str)],
    id: impl Fn(&T) -> String,
) -> Option<String> {
    let last = page.items.last().filter(|_| page.has_more)?;
    Some(link(path, &[filters, &[("below", &id(last))]].concat()))
}

/// The address of a list with its filters, those that are not set left out.
fn link(path: &str, query: &[(&str, &str)]) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    let mut is_plain = true;
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        pairs.append_pair(name, value);
        is_plain = false;
    }
    if is_plain { path.to_owned() } else { format!("{path}?{}", pairs.finish()) }
}
