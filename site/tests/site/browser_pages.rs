//! Every page of the router is one that the browser tests look at.

use std::collections::BTreeSet;

use vestibule_testkit::{DatabaseKind, ServerOptions, TestDatabase, TestServer};
use vestibule_web::{DevMailbox, Face, Route};

use crate::start::options;

/// The pages of accounts.
const LIBRARY: &str = include_str!("../../../tests/browser/support/pages.js");
/// The site's own.
const SITE: &str = include_str!("../browser_pages.js");

/// The addresses of a list of such a file.
fn listed(file: &'static str, name: &str) -> BTreeSet<&'static str> {
    let (_, list) = file.split_once(&format!("export const {name} = [")).expect("the file has the list");
    let (list, _) = list.split_once("];").expect("a list ends");
    list.lines().filter_map(|line| line.trim().strip_prefix('\'')?.strip_suffix("',")).collect()
}

fn is_page(route: &Route) -> bool {
    route.face == Face::Page && route.method == reqwest::Method::GET
}

#[tokio::test]
async fn every_page_of_the_router_is_walked_through_in_a_browser() {
    let database = TestDatabase::create(DatabaseKind::Sqlite).await;
    database.connect().await.migrate(&site::MIGRATIONS).await.unwrap();
    let options = ServerOptions { dev_mailbox: Some(DevMailbox::default()), ..options() };
    let server = TestServer::start_on(&database, options).await;
    let routes: BTreeSet<&str> =
        server.list.iter().filter(|route| is_page(route)).map(|route| route.path).collect();
    assert!(routes.contains("/dev/mailbox/{id}") && routes.contains("/notes/{id}"));
    let lists = [
        listed(SITE, "OPEN_PAGES"),
        listed(SITE, "LOGGED_IN_PAGES"),
        listed(SITE, "WALKED_PAGES"),
        listed(LIBRARY, "PAGES"),
        listed(LIBRARY, "CONFIRM_FIRST_PAGES"),
        listed(LIBRARY, "NO_PAGES"),
    ];
    let walked: BTreeSet<&str> = lists.iter().flatten().copied().collect();
    assert_eq!(walked.len(), lists.iter().map(BTreeSet::len).sum::<usize>(), "each is in one list");
    let forgotten: Vec<_> = routes.difference(&walked).collect();
    assert!(forgotten.is_empty(), "add {forgotten:?} to a list of site/tests/browser_pages.js");
    let gone: Vec<_> = walked.difference(&routes).collect();
    assert!(gone.is_empty(), "a list of pages for the browser tests names {gone:?}, which are no pages");
}
