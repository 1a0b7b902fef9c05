use std::collections::BTreeSet;

use reqwest::Method;
use rstest::rstest;
use tokio::task::JoinSet;
use vestibule::models::MailKind;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestServer;

use crate::{REFRESH, is_logged_in, sign_up_of, signed_up};

const REFRESH_PATH: &str = "/api/auth/refresh";
const LOG_OUT_PATH: &str = "/api/auth/log-out";

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_sign_ups_of_one_address_one_succeeds(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut racing = JoinSet::new();
    for _ in 0..16 {
        let anonymous = server.anonymous();
        racing.spawn(async move {
            anonymous.post_json("/api/auth/sign-up", &sign_up_of("ann")).await.status.as_u16()
        });
    }
    let mut statuses = racing.join_all().await;
    statuses.sort_unstable();
    let mut expected = vec![409; 16];
    expected[0] = 201;
    assert_eq!(statuses, expected);
    assert_eq!(server.house.outbox_kinds().await, [MailKind::ConfirmEmail]);
    assert_eq!(server.house.count_sessions().await, 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn thirty_refreshes_at_once_agree(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let mut racing = JoinSet::new();
    for _ in 0..30 {
        let tab = browser.clone();
        racing.spawn(async move { tab.call_and_lose(Method::POST, REFRESH_PATH, None).await });
    }
    let answers = racing.join_all().await;
    let mut cookies = BTreeSet::new();
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        cookies.insert(answer.set_cookie(REFRESH).unwrap().to_owned());
    }
    assert_eq!(cookies.len(), 1);
    browser.receive(&answers[0]);
    assert!(is_logged_in(&browser).await);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn after_a_log_out_that_raced_refreshes_the_session_is_dead(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    for round in 0..8 {
        let mut racing = JoinSet::new();
        for racer in 0..5 {
            let tab = browser.clone();
            let path = if racer == round % 5 { LOG_OUT_PATH } else { REFRESH_PATH };
            racing.spawn(async move { tab.call_and_lose(Method::POST, path, None).await });
        }
        for answer in racing.join_all().await {
            assert!([200, 204, 401].contains(&answer.status.as_u16()), "{answer:?}");
            let mut winner = browser.clone();
            winner.receive(&answer);
            let codes = [winner.clone().session().await.status, winner.refresh().await.status];
            assert_eq!(codes, [401, 401], "whatever the answer set: {answer:?}");
        }
        assert_eq!(server.house.count_sessions().await, 0);
        assert_eq!(browser.log_in("ann").await.status, 200);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_many_replays_at_once_one_is_told(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let thief = browser.clone();
    browser.refresh().await;
    browser.session().await;
    server.clock.advance(time::Duration::seconds(11));
    let mut racing = JoinSet::new();
    for _ in 0..10 {
        let thief = thief.clone();
        racing.spawn(async move { thief.call_and_lose(Method::POST, REFRESH_PATH, None).await });
    }
    let codes: Vec<_> = racing.join_all().await.iter().map(vestibule_testkit::Answer::code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "refresh_reused").count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| *code == "session_revoked").count(), 9, "{codes:?}");
    assert_eq!(server.house.outbox_kinds().await, [MailKind::ConfirmEmail, MailKind::RefreshReused]);
}
