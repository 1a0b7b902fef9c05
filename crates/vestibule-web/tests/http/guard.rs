//! The second lock: a handler that asks who the user is refuses by itself where no guard let the request pass.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use axum::routing::get;
use tower::ServiceExt;
use vestibule_sql::Database;
use vestibule_testkit::DatabaseKind::Sqlite;
use vestibule_testkit::{ServerOptions, TestDatabase, TestServer};
use vestibule_web::{CurrentUser, PageVisit, Problem, Routes, Vestibule, Who};

use crate::signed_up;

async fn whoami(current: CurrentUser) -> String {
    current.user().name.to_string()
}

async fn visitor(visit: PageVisit) -> &'static str {
    if visit.current_user().is_some() { "somebody" } else { "a stranger" }
}

fn unguarded() -> Router {
    Router::new().route("/whoami", get(whoami)).route("/visitor", get(visitor))
}

fn request(path: &str) -> Request<Body> {
    let names = ["x-middleware-subrequest", "x-user-id", "remote-user", "authorization", "cookie"];
    let forged =
        names.into_iter().fold(Request::get(path), |request, name| request.header(name, "Bearer ann"));
    forged.body(Body::empty()).expect("names and values are good")
}

#[tokio::test]
async fn a_handler_without_a_guard_refuses_whoever_asks() {
    let response = unguarded().oneshot(request("/whoami")).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_page_without_a_guard_takes_everybody_for_a_stranger() {
    let response = unguarded().oneshot(request("/visitor")).await.unwrap();
    let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
    assert_eq!(body, "a stranger");
}

/// What an application draws for its own scripts, and what it refuses, at addresses of its own.
fn fragments(vestibule: &Vestibule, _: &Database) -> Routes {
    Routes::new(vestibule.clone()).api(Who::LoggedIn, Method::GET, "/fragment", visitor).api(
        Who::LoggedIn,
        Method::GET,
        "/missing",
        || async { Problem::not_found() },
    )
}

#[tokio::test]
async fn a_route_for_programs_knows_who_visits_it_as_a_page_does() {
    let options = ServerOptions { routes: fragments, ..ServerOptions::default() };
    let server = TestServer::start_on(&TestDatabase::create(Sqlite).await, options).await;
    let mut browser = signed_up(&server, "ann").await;
    assert_eq!(browser.get("/fragment").await.text, "somebody");
    let told = browser.get("/missing").await;
    assert_eq!(told.status, 404);
    assert!(told.text.contains("/log-out"), "the menu is of who is logged in: {}", told.text);
}
