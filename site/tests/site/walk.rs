use reqwest::{Method, StatusCode};
use vestibule_testkit::DatabaseKind;
use vestibule_web::{Face, Who};

use crate::start::start;

/// The site's routes that somebody without credentials may call. Any other must refuse, a new one included.
const OPEN: &[&str] = &[
    "GET /",
    "GET /public/{*file}",
    "GET /assets/{*file}",
    "GET /sign-up",
    "POST /sign-up",
    "GET /sign-up/sent",
    "POST /sign-up/sent",
    "GET /confirm-sign-up",
    "POST /confirm-sign-up",
    "POST /confirm-sign-up/decline",
    "GET /confirm-sign-up/declined",
    "GET /log-in",
    "POST /log-in",
    "GET /refresh",
    "GET /confirm-email",
    "POST /confirm-email",
    "GET /confirm-email/done",
    "GET /forgot-password",
    "POST /forgot-password",
    "GET /forgot-password/sent",
    "GET /reset-password",
    "POST /reset-password",
    "POST /api/auth/sign-up",
    "POST /api/auth/confirm-sign-up",
    "POST /api/auth/confirm-sign-up/decline",
    "POST /api/auth/log-in",
    "POST /api/auth/confirm-email",
    "POST /api/auth/forgot-password",
    "POST /api/auth/check-password",
    "POST /api/auth/reset-password",
    "GET /.well-known/change-password",
    "GET /api/auth/refresh",
    "POST /api/auth/refresh",
    "GET /api/auth/verify",
    "POST /api/auth/verify",
    "PUT /api/auth/verify",
    "PATCH /api/auth/verify",
    "DELETE /api/auth/verify",
    "OPTIONS /api/auth/verify",
    "GET /api/openapi.json",
    "GET /api/docs",
    "GET /.well-known/jwks.json",
    "GET /healthz",
    "GET /readyz",
];

#[tokio::test]
async fn every_route_but_the_open_ones_refuses_a_stranger() {
    let server = start(DatabaseKind::Sqlite).await;
    let mut walked = 0;
    for route in &server.list {
        let name = format!("{} {}", route.method, route.path);
        let is_open = matches!(route.who, Who::Anyone | Who::Stranger | Who::Visitor);
        assert_eq!(is_open, OPEN.contains(&name.as_str()), "{name}: is it meant to be open?");
        if is_open {
            continue;
        }
        let path = route.path.replace("{id}", "00000000-0000-7000-8000-000000000000");
        let method = Method::from_bytes(route.method.as_str().as_bytes()).unwrap();
        let answer = server.anonymous().send(method, &path, &[], "").await;
        match route.face {
            Face::Api => assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::UNAUTHORIZED, "unauthenticated")
            ),
            Face::Page => {
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}");
                assert!(answer.location().starts_with("/log-in"), "{name}: {}", answer.location());
            }
        }
        walked += 1;
    }
    assert!(walked >= 16, "{walked} protected routes");
}

#[tokio::test]
async fn every_change_asks_for_the_csrf_token() {
    let server = start(DatabaseKind::Sqlite).await;
    let mut browser = server.browser();
    browser.sign_up("ann").await;
    let mut walked = 0;
    for route in &server.list {
        let is_open = matches!(route.who, Who::Anyone | Who::Stranger | Who::Visitor);
        if is_open || route.method == Method::GET {
            continue;
        }
        let path = route.path.replace("{id}", "00000000-0000-7000-8000-000000000000");
        let method = Method::from_bytes(route.method.as_str().as_bytes()).unwrap();
        for headers in [&[][..], &[("x-csrf-token", "wrong")]] {
            let answer = browser.send_and_lose(method.clone(), &path, headers, "").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} {}", route.method, route.path);
            if route.face == Face::Api {
                assert_eq!(answer.code(), "csrf_failed", "{} {}", route.method, route.path);
            }
        }
        walked += 1;
    }
    assert!(walked >= 16, "{walked} routes that change something");
    assert_eq!(browser.session().await.status, StatusCode::OK);
}
