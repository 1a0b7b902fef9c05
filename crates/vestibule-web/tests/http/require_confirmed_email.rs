use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use vestibule::Policy;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{HouseOptions, PASSWORD, ServerOptions, TestDatabase, TestServer};

use crate::signed_up;

async fn strict_server(kind: DatabaseKind) -> TestServer {
    let house = HouseOptions {
        policy: |policy| Policy { require_confirmed_email: true, ..policy },
        ..HouseOptions::default()
    };
    let options = ServerOptions { house, ..ServerOptions::default() };
    TestServer::start_on(&TestDatabase::create(kind).await, options).await
}

#[rstest]
#[tokio::test]
async fn until_the_address_is_confirmed_only_the_account_can_be_used(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = strict_server(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let echo = browser.call(Method::POST, "/api/echo", None).await;
    assert_eq!((echo.status.as_u16(), echo.code().as_str()), (403, "email_not_verified"));
    for (method, path) in [(Method::GET, "/dashboard"), (Method::POST, "/dashboard")] {
        let page = if method == Method::GET {
            browser.get(path).await
        } else {
            browser.post_form(path, &[("text", "kept")]).await
        };
        assert_eq!(
            (page.status.as_u16(), page.location()),
            (303, "/confirm-email/resend"),
            "{method} {path}"
        );
    }
    let program = server.program(browser.cookie("vestibule_access").unwrap());
    assert_eq!(program.send(Method::POST, "/api/echo", &[], "").await.code(), "email_not_verified");
    // What one needs to confirm or to mend the address, or to leave.
    for path in
        ["/confirm-email/resend", "/account", "/api/account", "/api/auth/session", "/api/account/export"]
    {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
    }
    assert_eq!(browser.get("/").await.text, "hello, ann");
    let body = json!({ "email": "ann@example.org", "current_password": PASSWORD });
    assert_eq!(browser.call(Method::POST, "/api/account/email", Some(&body)).await.status, 202);
    let resent = browser.post_form("/confirm-email/resend", &[]).await;
    assert_eq!(resent.location(), "/confirm-email/resend?sent=yes");
    assert!(browser.get(resent.location()).await.text.contains("Another mail is on its way"));

    let token = server.house.mailed_token("ann@example.com").await;
    assert_eq!(browser.post_form("/confirm-email", &[("token", &token)]).await.status, 303);
    assert_eq!(browser.get("/dashboard").await.text, "hello, ann");
    assert_eq!(browser.call(Method::POST, "/api/echo", None).await.status, 200);
    assert_eq!(browser.post_form("/log-out", &[]).await.location(), "/");
}

#[rstest]
#[tokio::test]
async fn a_role_is_asked_for_before_the_confirmation(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = strict_server(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    assert_eq!(browser.call(Method::GET, "/api/test/admin", None).await.code(), "forbidden");
}

#[rstest]
#[tokio::test]
async fn off_by_default_nobody_is_asked(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    assert_eq!(browser.get("/dashboard").await.text, "hello, ann");
}
