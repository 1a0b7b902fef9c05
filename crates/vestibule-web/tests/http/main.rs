//! What clients see, one file for each route or flow. All of it over real sockets, on both databases.

mod account;
mod admin;
mod assets;
mod cancel_email_change;
mod concurrency;
mod confirm_email;
mod confirm_sign_up;
mod cookies;
mod csrf;
mod current_session;
mod dev_mailbox;
mod duplicates;
mod export;
mod follow_revocations;
mod forged_headers;
mod guard;
mod guessing;
mod headers;
mod health;
mod invite;
mod judge_password;
mod jwks;
mod layers;
mod layouts;
mod limits;
mod log_in;
mod log_out;
mod manage_service_keys;
mod openapi;
mod overload;
mod pages;
mod paths;
mod problems;
mod refresh;
mod require_confirmed_email;
mod reset_password;
mod secrets;
mod sign_up;
mod simulation;
mod timing;
mod two_servers;
mod unauthorized;
mod verify;

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_testkit::{
    Browser, DatabaseKind, HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer,
};

const ACCESS: &str = "vestibule_access";
const REFRESH: &str = "vestibule_refresh";
const CSRF: &str = "vestibule_csrf";
const DEVICE: &str = "vestibule_device";
const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A browser in which `NAME@example.com` has just signed up.
async fn signed_up(server: &TestServer, name: &str) -> Browser {
    let mut browser = server.browser();
    browser.sign_up(name).await;
    browser
}

/// A server whose public URL is https, as it is behind a proxy that ends TLS.
async fn https_server(kind: DatabaseKind) -> TestServer {
    let house = HouseOptions { public_url: "https://example.com".into(), ..HouseOptions::default() };
    let options = ServerOptions { house, ..ServerOptions::default() };
    TestServer::start_on(&TestDatabase::create(kind).await, options).await
}

/// A good sign-up.
fn sign_up_of(name: &str) -> Value {
    json!({ "name": name, "email": format!("{name}@example.com"), "password": PASSWORD })
}

/// Whether the browser's session is good.
async fn is_logged_in(browser: &Browser) -> bool {
    browser.clone().session().await.status == 200
}

/// The cookie header of a browser, for requests that are put together by hand.
fn cookie_header(browser: &Browser) -> String {
    let pairs = browser.cookie_names().into_iter().map(|name| {
        let value = browser.cookie(name).expect("a cookie of the jar is in it");
        format!("{name}={value}")
    });
    pairs.collect::<Vec<_>>().join("; ")
}

/// Puts another cookie, of the same length as before but false, in the place of one.
fn falsify(browser: &mut Browser, name: &str) {
    let value = browser.cookie(name).expect("there is a cookie to falsify").to_owned();
    let (start, last) = value.split_at(value.len() - 2);
    let other = if last.starts_with('A') { 'B' } else { 'A' };
    browser.set_cookie(name, &format!("{start}{other}{}", &last[1..]));
}

/// The methods that change something.
const CHANGING: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
