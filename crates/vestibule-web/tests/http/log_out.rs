use reqwest::Method;
use rstest::rstest;
use time::Duration;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestServer;

use crate::{is_logged_in, signed_up};

const PATH: &str = "/api/auth/log-out";

#[rstest]
#[tokio::test]
async fn a_log_out_removes_the_row_and_the_cookies(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let kept = browser.clone();

    let answer = browser.call(Method::POST, PATH, None).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.cookies_without_values(), @r#"
        [
          "vestibule_access=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly",
          "vestibule_refresh=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly",
          "vestibule_csrf=; Path=/; Max-Age=0; SameSite=Lax"
        ]
        "#);
    }
    assert!(browser.cookie_names().is_empty());
    assert_eq!(server.house.count_sessions().await, 0);

    // Somebody who kept a copy of the cookies has nothing.
    let answer = kept.clone().session().await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "session_revoked"));
    let answer = kept.clone().refresh().await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "session_revoked"));
}

#[rstest]
#[tokio::test]
async fn only_the_session_that_asks_is_ended(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let mut elsewhere = server.browser();
    elsewhere.log_in("ann").await;
    browser.call(Method::POST, PATH, None).await;
    assert!(is_logged_in(&elsewhere).await);
}

#[rstest]
#[tokio::test]
async fn who_is_not_logged_in_cannot_log_out(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let mut second_tab = browser.clone();
    assert_eq!(server.browser().call(Method::POST, PATH, None).await.code(), "unauthenticated");
    browser.call(Method::POST, PATH, None).await;
    assert_eq!(second_tab.call(Method::POST, PATH, None).await.code(), "session_revoked");
}

#[rstest]
#[tokio::test]
async fn another_site_cannot_log_anyone_out(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let answer = browser.send(Method::POST, PATH, &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "csrf_failed"));
    let answer = browser.send(Method::POST, "/log-out", &[], "").await;
    assert_eq!(answer.status, 403);
    assert!(answer.set_cookies().is_empty());
    assert_eq!(browser.get("/log-out").await.status, 405, "a link does not log out");
    assert!(is_logged_in(&browser).await);
}

#[rstest]
#[tokio::test]
async fn the_page_logs_out_and_goes_home(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let answer = browser.post_form("/log-out", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/"));
    assert!(browser.cookie_names().is_empty());
    assert_eq!(server.house.count_sessions().await, 0);
    assert_eq!(browser.get("/dashboard").await.location(), "/log-in?next=%2Fdashboard");
}

#[rstest]
#[tokio::test]
async fn a_log_out_after_a_long_pause_leaves_no_cookies(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.clock.advance(Duration::hours(1));
    let answer = browser.post_form("/log-out", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/"));
    assert_eq!(answer.set_cookies().len(), 3, "the refresh on the way adds none: {answer:?}");
    assert!(browser.cookie_names().is_empty());
    assert_eq!(server.house.count_sessions().await, 0);
}
