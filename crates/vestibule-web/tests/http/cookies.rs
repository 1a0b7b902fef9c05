use reqwest::Method;
use rstest::rstest;
use time::Duration;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{PASSWORD, TestServer};

use crate::{ACCESS, CSRF, REFRESH, https_server, is_logged_in, signed_up};

#[rstest]
#[tokio::test]
async fn on_https_names_carry_the_host_prefix_and_cookies_are_secure(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = https_server(kind).await;
    let mut browser = server.browser();
    let answer = browser.sign_up("ann").await;
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.cookies_without_values(), @r#"
        [
          "__Host-vestibule_access=…; Path=/; Max-Age=300; SameSite=Lax; HttpOnly; Secure",
          "__Host-vestibule_refresh=…; Path=/; Max-Age=604800; SameSite=Lax; HttpOnly; Secure",
          "__Host-vestibule_csrf=…; Path=/; Max-Age=34560000; SameSite=Lax; Secure",
          "__Host-vestibule_device=…; Path=/; Max-Age=34560000; SameSite=Lax; HttpOnly; Secure"
        ]
        "#);
    }
    assert!(is_logged_in(&browser).await);
    let answer = browser.post_form("/log-out", &[]).await;
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.cookies_without_values(), @r#"
        [
          "__Host-vestibule_access=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure",
          "__Host-vestibule_refresh=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure",
          "__Host-vestibule_csrf=; Path=/; Max-Age=0; SameSite=Lax; Secure"
        ]
        "#);
    }
}

#[rstest]
#[tokio::test]
async fn on_https_a_bare_cookie_is_worth_nothing(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = https_server(kind).await;
    let eve = signed_up(&server, "eve").await;
    let mut ann = signed_up(&server, "ann").await;
    for name in [ACCESS, REFRESH, CSRF] {
        ann.plant_cookie(name, eve.cookie(&format!("__Host-{name}")).unwrap());
    }
    assert_eq!(ann.session().await.json()["user"]["name"], "ann", "planted cookies do not win");
    let mut bare = server.browser();
    for name in [ACCESS, REFRESH, CSRF] {
        bare.set_cookie(name, eve.cookie(&format!("__Host-{name}")).unwrap());
    }
    assert!(!is_logged_in(&bare).await);
}

#[rstest]
#[tokio::test]
async fn no_cookie_has_a_domain(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    for server in [TestServer::start(kind).await, https_server(kind).await] {
        let mut browser = server.browser();
        let mut answers = vec![browser.sign_up("ann").await, browser.refresh().await];
        server.clock.advance(Duration::hours(1));
        answers.push(browser.get("/dashboard").await);
        answers.push(browser.post_form("/log-out", &[]).await);
        for answer in &answers {
            assert!(!answer.set_cookies().is_empty());
            for cookie in answer.set_cookies() {
                assert!(!cookie.to_ascii_lowercase().contains("domain"), "{cookie}");
                assert!(cookie.contains("Path=/;") && cookie.contains("SameSite=Lax"), "{cookie}");
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn whoever_gets_a_cookie_or_a_user_s_data_is_told_not_to_share_it(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = server.browser();
    let fields = [("name", "Ann"), ("email", "ann@example.com"), ("password", PASSWORD)];
    let mut answers = vec![
        browser.post_form("/sign-up", &fields).await,
        browser.post_form("/log-in", &fields).await,
        browser.log_in("ann").await,
        browser.refresh().await,
        browser.session().await,
        browser.get("/dashboard").await,
        browser.get("/refresh").await,
        browser.get("/log-in").await,
    ];
    server.clock.advance(Duration::hours(1));
    answers.push(browser.get("/").await);
    assert!(!answers.last().unwrap().set_cookies().is_empty(), "a page for everybody refreshes too");
    server.clock.advance(Duration::hours(1));
    answers.push(browser.get("/dashboard").await);
    answers.push(browser.call(Method::POST, "/api/auth/log-out", None).await);
    for answer in answers {
        assert_eq!(answer.header("cache-control"), Some("private, no-store"), "{answer:?}");
    }
}

#[rstest]
#[tokio::test]
async fn cookies_of_an_expired_session_are_cleared_by_a_page(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.clock.advance(Duration::days(7));
    let answer = browser.get("/dashboard").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/log-in?next=%2Fdashboard"));
    assert!(browser.cookie_names().is_empty(), "certainly dead");
}

#[rstest]
#[tokio::test]
async fn a_failed_check_clears_nothing_while_the_session_may_live(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    for dropped in [ACCESS, REFRESH] {
        let mut browser = browser.clone();
        browser.drop_cookie(dropped);
        let answer = browser.session().await;
        assert_eq!(answer.status, 401);
        assert!(answer.set_cookies().is_empty(), "without {dropped}: {answer:?}");
    }
    let mut browser = browser.clone();
    browser.set_cookie(REFRESH, "a.b.c");
    let answer = browser.get("/dashboard").await;
    assert_eq!(answer.status, 303);
    assert!(answer.set_cookies().is_empty());
}
