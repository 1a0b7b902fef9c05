//! Two servers of one installation: one database and secret, nothing else in common. They behave as one.

use std::collections::BTreeSet;

use reqwest::Method;
use rstest::rstest;
use time::Duration;
use tokio::task::JoinSet;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestServer;

use crate::{REFRESH, is_logged_in, signed_up};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_goes_from_one_to_the_other(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let one = TestServer::start(kind).await;
    let other = one.second_server().await;
    let mut browser = signed_up(&one, "ann").await;
    for turn in 0..6 {
        browser.go_to(if turn % 2 == 0 { &other } else { &one });
        assert!(is_logged_in(&browser).await, "turn {turn}");
        assert_eq!(browser.refresh().await.status, 200, "turn {turn}");
        one.clock.advance(Duration::hours(1));
        assert_eq!(browser.post_form("/dashboard", &[]).await.status, 200, "turn {turn}");
    }
    let jwks = "/.well-known/jwks.json";
    assert_eq!(one.anonymous().get(jwks).await.text, other.anonymous().get(jwks).await.text);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_one_ended_the_other_refuses_at_once(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let one = TestServer::start(kind).await;
    let other = one.second_server().await;
    let mut browser = signed_up(&one, "ann").await;
    let mut tab_at_other = browser.clone();
    tab_at_other.go_to(&other);
    assert!(is_logged_in(&tab_at_other).await);
    browser.call(Method::POST, "/api/auth/log-out", None).await;
    assert_eq!(tab_at_other.session().await.code(), "session_revoked");

    let mut ben = signed_up(&one, "ben").await;
    other.house.set_disabled("ben@example.com", true).await;
    assert_eq!(ben.session().await.code(), "forbidden");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn refreshes_at_both_at_once_agree(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let one = TestServer::start(kind).await;
    let other = one.second_server().await;
    let mut browser = signed_up(&one, "ann").await;
    for _ in 0..3 {
        let mut racing = JoinSet::new();
        for racer in 0..12 {
            let mut tab = browser.clone();
            tab.go_to(if racer % 2 == 0 { &one } else { &other });
            racing.spawn(async move { tab.call_and_lose(Method::POST, "/api/auth/refresh", None).await });
        }
        let answers = racing.join_all().await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let cookies: BTreeSet<_> = answers.iter().filter_map(|answer| answer.set_cookie(REFRESH)).collect();
        assert_eq!(cookies.len(), 1);
        browser.receive(&answers[0]);
        assert!(is_logged_in(&browser).await);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_at_one_ends_the_session_at_both(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let one = TestServer::start(kind).await;
    let other = one.second_server().await;
    let mut browser = signed_up(&one, "ann").await;
    let mut thief = browser.clone();
    browser.refresh().await;
    browser.session().await;
    one.clock.advance(Duration::seconds(11));
    thief.go_to(&other);
    assert_eq!(thief.refresh().await.code(), "refresh_reused");
    assert_eq!(browser.session().await.code(), "session_revoked");
}
