//! Walks every route without the right credentials. A route that is not on the list below fails the first test, so
//! that each is added with a thought about who may call it.

use rstest::rstest;
use vestibule::models::{Role, ServiceScope};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, TestServer};
use vestibule_web::{Face, Route, Who};

use crate::{ACCESS, CHANGING, FORM, JSON, signed_up};

const ADMIN: Who = Who::Recently(Role::Admin);

/// Every route of the library, then those of the test server.
const EXPECTED: [(&str, &str, Who); 98] = [
    ("GET", "/sign-up", Who::Stranger),
    ("POST", "/sign-up", Who::Stranger),
    ("GET", "/sign-up/sent", Who::Stranger),
    ("POST", "/sign-up/sent", Who::Stranger),
    ("GET", "/confirm-sign-up", Who::Stranger),
    ("POST", "/confirm-sign-up", Who::Stranger),
    ("POST", "/confirm-sign-up/decline", Who::Stranger),
    ("GET", "/confirm-sign-up/declined", Who::Anyone),
    ("GET", "/log-in", Who::Stranger),
    ("POST", "/log-in", Who::Stranger),
    ("POST", "/log-out", Who::AccountHolder),
    ("GET", "/refresh", Who::Anyone),
    ("GET", "/confirm-email", Who::Anyone),
    ("POST", "/confirm-email", Who::Visitor),
    ("GET", "/confirm-email/done", Who::Anyone),
    ("GET", "/confirm-email/resend", Who::AccountHolder),
    ("POST", "/confirm-email/resend", Who::AccountHolder),
    ("GET", "/forgot-password", Who::Stranger),
    ("POST", "/forgot-password", Who::Stranger),
    ("GET", "/forgot-password/sent", Who::Anyone),
    ("GET", "/reset-password", Who::Stranger),
    ("POST", "/reset-password", Who::Stranger),
    ("GET", "/account", Who::AccountHolder),
    ("POST", "/account/name", Who::AccountHolder),
    ("POST", "/account/email", Who::AccountHolder),
    ("POST", "/account/email/cancel", Who::AccountHolder),
    ("POST", "/account/password", Who::AccountHolder),
    ("POST", "/account/sessions/{id}/end", Who::AccountHolder),
    ("POST", "/account/sessions/end-others", Who::AccountHolder),
    ("GET", "/account/export", Who::AccountHolder),
    ("POST", "/account/delete", Who::AccountHolder),
    ("GET", "/confirm-password", Who::AccountHolder),
    ("POST", "/confirm-password", Who::AccountHolder),
    ("GET", "/assets/{*file}", Who::Anyone),
    ("POST", "/api/auth/sign-up", Who::Stranger),
    ("POST", "/api/auth/confirm-sign-up", Who::Stranger),
    ("POST", "/api/auth/confirm-sign-up/decline", Who::Stranger),
    ("POST", "/api/auth/log-in", Who::Stranger),
    ("POST", "/api/auth/log-out", Who::AccountHolder),
    ("GET", "/api/auth/refresh", Who::Anyone),
    ("POST", "/api/auth/refresh", Who::Anyone),
    ("GET", "/api/auth/session", Who::AccountHolder),
    ("POST", "/api/auth/confirm-email", Who::Visitor),
    ("POST", "/api/auth/confirm-email/resend", Who::AccountHolder),
    ("POST", "/api/auth/check-password", Who::Visitor),
    ("POST", "/api/auth/confirm-password", Who::AccountHolder),
    ("POST", "/api/auth/forgot-password", Who::Stranger),
    ("POST", "/api/auth/reset-password", Who::Stranger),
    ("GET", "/api/account", Who::AccountHolder),
    ("PATCH", "/api/account", Who::AccountHolder),
    ("DELETE", "/api/account", Who::AccountHolder),
    ("POST", "/api/account/password", Who::AccountHolder),
    ("POST", "/api/account/email", Who::AccountHolder),
    ("DELETE", "/api/account/email", Who::AccountHolder),
    ("GET", "/api/account/sessions", Who::AccountHolder),
    ("DELETE", "/api/account/sessions", Who::AccountHolder),
    ("DELETE", "/api/account/sessions/{id}", Who::AccountHolder),
    ("GET", "/api/account/export", Who::AccountHolder),
    ("GET", "/api/openapi.json", Who::Anyone),
    ("GET", "/api/docs", Who::Anyone),
    ("GET", "/api/auth/verify", Who::Anyone),
    ("POST", "/api/auth/verify", Who::Anyone),
    ("PUT", "/api/auth/verify", Who::Anyone),
    ("PATCH", "/api/auth/verify", Who::Anyone),
    ("DELETE", "/api/auth/verify", Who::Anyone),
    ("OPTIONS", "/api/auth/verify", Who::Anyone),
    ("GET", "/api/auth/revocations", Who::Service(ServiceScope::RevocationsRead)),
    ("GET", "/api/users/{id}", Who::Service(ServiceScope::UsersRead)),
    ("GET", "/.well-known/jwks.json", Who::Anyone),
    ("GET", "/.well-known/change-password", Who::Anyone),
    ("GET", "/healthz", Who::Anyone),
    ("GET", "/readyz", Who::Anyone),
    ("GET", "/admin", ADMIN),
    ("GET", "/admin/users", ADMIN),
    ("GET", "/admin/users/{id}", ADMIN),
    ("POST", "/admin/users/{id}/role", ADMIN),
    ("POST", "/admin/users/{id}/disable", ADMIN),
    ("POST", "/admin/users/{id}/enable", ADMIN),
    ("POST", "/admin/users/{id}/delete", ADMIN),
    ("POST", "/admin/users/{id}/reset-link", ADMIN),
    ("POST", "/admin/users/{id}/sessions/end", ADMIN),
    ("POST", "/admin/users/{id}/sessions/{session}/end", ADMIN),
    ("GET", "/admin/invitations", ADMIN),
    ("POST", "/admin/invitations", ADMIN),
    ("POST", "/admin/invitations/{id}/revoke", ADMIN),
    ("GET", "/admin/service-keys", ADMIN),
    ("POST", "/admin/service-keys", ADMIN),
    ("POST", "/admin/service-keys/{id}/revoke", ADMIN),
    ("GET", "/admin/mails", ADMIN),
    ("POST", "/admin/mails/{id}/retry", ADMIN),
    ("GET", "/admin/audit", ADMIN),
    ("GET", "/", Who::Anyone),
    ("GET", "/dashboard", Who::LoggedIn),
    ("POST", "/dashboard", Who::LoggedIn),
    ("GET", "/test/admin", Who::Role(Role::Admin)),
    ("POST", "/api/echo", Who::LoggedIn),
    ("GET", "/api/test/admin", Who::Role(Role::Admin)),
    ("GET", "/api/panic", Who::Anyone),
];

fn is_protected(route: &Route) -> bool {
    matches!(
        route.who,
        Who::AccountHolder | Who::LoggedIn | Who::Role(_) | Who::Recently(_) | Who::Service(_)
    )
}

fn changes_something(route: &Route) -> bool {
    CHANGING.contains(&route.method)
}

fn content_type(route: &Route) -> (&'static str, &'static str) {
    match route.face {
        Face::Api => JSON,
        Face::Page => FORM,
    }
}

fn assert_refused(route: &Route, answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{route:?}: {answer:?}");
    if route.face == Face::Api {
        assert_eq!(answer.code(), code, "{route:?}");
    } else {
        assert_ne!(answer.header("content-type"), Some("application/problem+json"), "{route:?}");
    }
}

#[rstest]
#[tokio::test]
async fn every_route_is_on_the_list(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let routes: Vec<_> =
        server.list.iter().map(|route| (route.method.as_str(), route.path, route.who.clone())).collect();
    assert_eq!(routes, EXPECTED);
    for route in &server.list {
        let has_its_own_check = ["/api/auth/refresh", "/api/auth/verify"].contains(&route.path);
        assert!(
            !changes_something(route) || route.who != Who::Anyone || has_its_own_check,
            "{route:?} changes something and has no guard, and only two have a check of their own"
        );
    }
}

#[rstest]
#[tokio::test]
async fn without_credentials_nothing_protected_answers(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    for route in server.list.iter().filter(|route| is_protected(route)) {
        let headers = [content_type(route), ("x-csrf-token", "x")];
        let answer =
            server.anonymous().send(route.method.clone(), route.path, &headers, "csrf_token=x").await;
        match route.face {
            Face::Api => assert_refused(route, &answer, 401, "unauthenticated"),
            Face::Page => {
                assert_eq!(answer.status, 303, "{route:?}");
                let place = answer.location();
                assert!(place == "/log-in" || place.starts_with("/log-in?next=%2F"), "{route:?}: {place}");
            }
        }
        assert!(answer.set_cookies().is_empty(), "{route:?}");
        assert!(!answer.text.contains("hello"), "{route:?}");
    }
}

#[rstest]
#[tokio::test]
async fn without_the_role_nothing_of_the_role_answers(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let program = server.program(browser.cookie(ACCESS).unwrap());
    let of_role = |route: &&Route| matches!(route.who, Who::Role(_) | Who::Recently(_));
    assert_eq!(server.list.iter().filter(of_role).count(), 21);
    for route in server.list.iter().filter(of_role) {
        let token = browser.csrf().to_owned();
        let headers = [content_type(route), ("x-csrf-token", token.as_str())];
        let body = format!("csrf_token={token}");
        let answer = browser.send(route.method.clone(), route.path, &headers, body).await;
        assert_refused(route, &answer, 403, "forbidden");
        if route.face == Face::Api {
            let answer = program.send(route.method.clone(), route.path, &[], "").await;
            assert_refused(route, &answer, 403, "forbidden");
        }
    }

    // Given the role, the same session may at once; without it again, it may not at once.
    server.house.set_role("ann@example.com", Role::Admin).await;
    assert_eq!(browser.get("/test/admin").await.status, 200);
    assert_eq!(program.get("/api/test/admin").await.status, 200);
    server.house.set_role("ann@example.com", Role::User).await;
    assert_eq!(browser.get("/test/admin").await.status, 403);
    assert_eq!(program.get("/api/test/admin").await.status, 403);
    server.clock.advance(time::Duration::hours(1));
    assert_eq!(browser.get("/test/admin").await.status, 403, "a refresh on the way asks for the role too");
}

#[rstest]
#[tokio::test]
async fn without_a_recent_password_nothing_that_asks_for_one_answers(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.house.set_role("ann@example.com", Role::Admin).await;
    assert_eq!(browser.get("/admin").await.status, 200, "the password was given at the sign-up");
    server.clock.advance(time::Duration::minutes(11));
    for route in server.list.iter().filter(|route| matches!(route.who, Who::Recently(_))) {
        let body = format!("csrf_token={}", browser.csrf());
        let answer = browser.send(route.method.clone(), route.path, &[FORM], body).await;
        assert_eq!(answer.status, 303, "{route:?}");
        let place = answer.location();
        assert!(place.starts_with("/confirm-password"), "{route:?}: {place}");
    }
}

#[rstest]
#[tokio::test]
async fn without_the_csrf_token_nothing_is_changed(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    for route in server.list.iter().filter(|route| is_protected(route) && changes_something(route)) {
        // Even from this site by its headers.
        for site in ["same-origin", "cross-site"] {
            let headers = [content_type(route), ("sec-fetch-site", site)];
            let answer = browser.send(route.method.clone(), route.path, &headers, "text=x").await;
            assert_refused(route, &answer, 403, "csrf_failed");
        }
    }
    assert_eq!(browser.session().await.status, 200);
}

#[rstest]
#[tokio::test]
async fn from_another_site_no_stranger_changes_anything(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let routes = server
        .list
        .iter()
        .filter(|route| matches!(route.who, Who::Stranger | Who::Visitor) && changes_something(route));
    for route in routes {
        for site in ["same-site", "cross-site"] {
            let headers = [content_type(route), ("sec-fetch-site", site)];
            let answer = server.anonymous().send(route.method.clone(), route.path, &headers, "{}").await;
            assert_refused(route, &answer, 403, "csrf_failed");
        }
    }
    assert!(server.house.outbox().await.is_empty());
}
