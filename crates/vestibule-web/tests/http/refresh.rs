use reqwest::Method;
use rstest::rstest;
use time::Duration;
use vestibule::models::{AuditEventKind, MailKind};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestServer;

use crate::{ACCESS, CSRF, REFRESH, falsify, is_logged_in, signed_up};

const PATH: &str = "/api/auth/refresh";

#[rstest]
#[tokio::test]
async fn a_refresh_renews_two_cookies_and_keeps_the_third(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
    #[values(Method::GET, Method::POST)] method: Method,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.clock.advance(Duration::minutes(6));
    assert!(!is_logged_in(&browser).await);

    let before = browser.clone();
    let answer = browser.call(method, PATH, None).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.json(), { ".user.id" => "[id]", ".session.id" => "[id]" }, @r#"
        {
          "session": {
            "created_at": "2026-05-01T12:00:00Z",
            "current": true,
            "expires_at": "2026-05-08T12:06:00Z",
            "id": "[id]",
            "ip": "127.0.0.1",
            "last_seen_at": "2026-05-01T12:06:00Z",
            "user_agent": null
          },
          "user": {
            "created_at": "2026-05-01T12:00:00Z",
            "email": "ann@example.com",
            "id": "[id]",
            "is_email_verified": false,
            "name": "ann",
            "role": "user"
          }
        }
        "#);
        insta::assert_json_snapshot!(answer.cookies_without_values(), @r#"
        [
          "vestibule_access=…; Path=/; Max-Age=300; SameSite=Lax; HttpOnly",
          "vestibule_refresh=…; Path=/; Max-Age=604800; SameSite=Lax; HttpOnly"
        ]
        "#);
    }
    assert_ne!(browser.cookie(ACCESS), before.cookie(ACCESS));
    assert_ne!(browser.cookie(REFRESH), before.cookie(REFRESH));
    assert!(is_logged_in(&browser).await);
}

#[rstest]
#[tokio::test]
async fn the_csrf_token_is_asked_of_both_methods(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
    #[values(Method::GET, Method::POST)] method: Method,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    for header in [&[][..], &[("x-csrf-token", "")], &[("x-csrf-token", "wrong")]] {
        let answer = browser.send(method.clone(), PATH, header, "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "csrf_failed"));
        assert!(answer.set_cookies().is_empty());
    }
    let token = browser.csrf().to_owned();
    let mut without_cookie = browser.clone();
    without_cookie.drop_cookie(CSRF);
    let answer = without_cookie.send(method.clone(), PATH, &[("x-csrf-token", &token)], "").await;
    assert_eq!(answer.code(), "csrf_failed");
    assert_eq!(browser.call(method, PATH, None).await.status, 200, "none of these used up the secret");
}

#[rstest]
#[tokio::test]
async fn a_lost_answer_logs_nobody_out(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let lost = browser.call_and_lose(Method::POST, PATH, None).await;
    server.clock.advance(Duration::hours(5));
    let answer = browser.refresh().await;
    assert_eq!(answer.status, 200);
    let value = |cookie: &str| cookie.split(';').next().unwrap().to_owned();
    assert_eq!(value(answer.set_cookie(REFRESH).unwrap()), value(lost.set_cookie(REFRESH).unwrap()));
    assert!(is_logged_in(&browser).await);
}

#[rstest]
#[tokio::test]
async fn a_replayed_secret_ends_the_session_and_is_told(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let mut thief = browser.clone();
    browser.refresh().await;
    assert!(is_logged_in(&browser).await);
    server.clock.advance(Duration::seconds(10));

    let answer = thief.refresh().await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "refresh_reused"));
    assert!(thief.cookie_names().is_empty(), "the session is certainly over: {answer:?}");

    let answer = browser.session().await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "session_revoked"));
    assert!(browser.cookie_names().is_empty());
    assert_eq!(server.house.outbox_kinds().await, [MailKind::ConfirmEmail, MailKind::RefreshReused]);
    assert!(server.house.audit_kinds().await.contains(&AuditEventKind::RefreshReused));
    server.house.deliver().await;
    assert!(server.house.post.kinds_for("ann@example.com").contains(&MailKind::RefreshReused));
}

#[rstest]
#[tokio::test]
async fn the_secret_before_the_current_one_is_good_for_requests_under_way(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let under_way = browser.clone();
    browser.refresh().await;
    assert!(is_logged_in(&browser).await);
    server.clock.advance(Duration::seconds(9));
    assert!(is_logged_in(&under_way).await);
    server.clock.advance(Duration::seconds(1));
    let answer = under_way.clone().session().await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "unauthenticated"));
    assert!(answer.set_cookies().is_empty(), "the loser of a race clears nothing");
    assert!(is_logged_in(&browser).await);
}

#[rstest]
#[tokio::test]
async fn a_cookie_that_is_not_authentic_is_refused_without_touching_the_session(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let mut forged = browser.clone();
    falsify(&mut forged, REFRESH);
    let other = signed_up(&server, "ben").await;
    let spliced = {
        let (mine, theirs) = (browser.cookie(REFRESH).unwrap(), other.cookie(REFRESH).unwrap());
        let (mine, theirs): (Vec<_>, Vec<_>) = (mine.split('.').collect(), theirs.split('.').collect());
        format!("{}.{}.{}", mine[0], theirs[1], theirs[2])
    };
    let of_another_kind = browser.cookie(ACCESS).unwrap().to_owned();
    for value in [forged.cookie(REFRESH).unwrap(), &spliced, &of_another_kind, "", "a.b.c", "..", "%zz"] {
        let mut browser = browser.clone();
        browser.set_cookie(REFRESH, value);
        let answer = browser.refresh().await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "unauthenticated"), "{value}");
        assert!(answer.set_cookies().is_empty());
    }
    assert!(is_logged_in(&browser).await && is_logged_in(&other).await);
    assert!(!server.house.outbox_kinds().await.contains(&MailKind::RefreshReused));
}

#[rstest]
#[tokio::test]
async fn a_session_expires_without_use_and_at_its_absolute_end(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut idle = signed_up(&server, "ann").await;
    let mut busy = signed_up(&server, "ben").await;
    for day in 1..30 {
        server.clock.advance(Duration::days(1));
        let answer = busy.refresh().await;
        assert_eq!(answer.status, 200, "day {day}");
        let left = Duration::days((30 - day).min(7)).whole_seconds();
        let cookie = answer.set_cookie(REFRESH).unwrap();
        assert!(cookie.contains(&format!("Max-Age={left};")), "day {day}: {cookie}");
    }
    server.clock.advance(Duration::days(1) - Duration::minutes(1));
    let answer = busy.refresh().await;
    assert!(answer.set_cookie(ACCESS).unwrap().contains("Max-Age=60;"), "no token outlives its session");
    server.clock.advance(Duration::minutes(1));
    for browser in [&mut idle, &mut busy] {
        let answer = browser.refresh().await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "session_expired"));
        assert!(browser.cookie_names().is_empty());
    }
}

#[rstest]
#[tokio::test]
async fn a_disabled_user_is_not_refreshed(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.house.set_disabled("ann@example.com", true).await;
    let answer = browser.refresh().await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "forbidden"));
    server.clock.advance(Duration::hours(1));
    assert_eq!(browser.get("/dashboard").await.status, 403);
}

#[rstest]
#[tokio::test]
async fn nothing_but_a_session_refreshes(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    assert_eq!(server.browser().refresh().await.code(), "unauthenticated");
    let mut browser = signed_up(&server, "ann").await;
    let authorization = format!("Bearer {}", browser.cookie(ACCESS).unwrap());
    browser.drop_cookie(REFRESH);
    let headers = [("authorization", authorization.as_str()), ("x-csrf-token", browser.csrf())];
    let answer = browser.send_and_lose(Method::POST, PATH, &headers, "").await;
    assert_eq!(answer.code(), "unauthenticated", "an access token refreshes nothing");
}

#[rstest]
#[tokio::test]
async fn the_page_refreshes_and_goes_on(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.clock.advance(Duration::hours(1));
    browser.drop_cookie(CSRF);
    let answer = browser.get("/refresh?next=/notes%3Fa%3Db").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/notes?a=b"));
    assert_eq!(answer.set_cookies().len(), 3);
    assert!(is_logged_in(&browser).await);
    assert_eq!(browser.get("/refresh?next=//evil.test").await.location(), "/dashboard");
    assert_eq!(browser.get("/refresh").await.location(), "/dashboard");

    server.clock.advance(Duration::days(8));
    let answer = browser.get("/refresh?next=/notes").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/log-in?next=%2Fnotes"));
    assert!(browser.cookie_names().is_empty(), "the session is certainly over");
    let answer = browser.get("/refresh?next=/notes").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/log-in?next=%2Fnotes"));
    assert!(answer.set_cookies().is_empty());
}
