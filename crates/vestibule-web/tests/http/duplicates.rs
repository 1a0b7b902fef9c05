//! Two cookies of one name: a neighbouring host or another path has planted one. A browser sends both.

use rstest::rstest;
use time::Duration;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestServer;

use crate::{ACCESS, CSRF, REFRESH, signed_up};

const NAMES: [&str; 3] = [ACCESS, REFRESH, CSRF];

#[rstest]
#[tokio::test]
async fn one_that_fits_is_found_beside_planted_ones(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    for name in NAMES {
        let mut browser = signed_up(&server, &format!("ann-{}", &name[10..])).await;
        browser.plant_cookie(name, "planted");
        browser.plant_cookie(name, "");
        assert_eq!(browser.session().await.status, 200, "{name}");
        assert_eq!(browser.get("/dashboard").await.status, 200, "{name}");
        assert_eq!(browser.post_form("/dashboard", &[]).await.status, 200, "{name}");
        server.clock.advance(Duration::hours(1));
        assert_eq!(browser.get("/dashboard").await.status, 200, "{name}");
        assert_eq!(browser.refresh().await.status, 200, "{name}");
        assert_eq!(browser.session().await.status, 200, "{name}");
    }
}

#[rstest]
#[tokio::test]
async fn planted_cookies_of_another_session_do_not_mix_with_ours(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let eve = signed_up(&server, "eve").await;
    for (number, planted) in [&[ACCESS][..], &[REFRESH], &[ACCESS, REFRESH]].into_iter().enumerate() {
        let name = format!("ann-{number}");
        let mut ann = signed_up(&server, &name).await;
        let mut eve = eve.clone();
        eve.log_in("eve").await;
        for cookie in planted {
            ann.plant_cookie(cookie, eve.cookie(cookie).unwrap());
        }
        assert_eq!(ann.session().await.json()["user"]["name"], name.as_str(), "{planted:?}");
        assert_eq!(ann.post_form("/dashboard", &[]).await.status, 200, "{planted:?}");
        server.clock.advance(Duration::hours(1));
        assert_eq!(ann.get("/dashboard").await.text, format!("hello, {name}"), "{planted:?}");
        server.clock.advance(Duration::hours(1));
        assert_eq!(ann.refresh().await.json()["user"]["name"], name.as_str(), "{planted:?}");
    }
}

#[rstest]
#[tokio::test]
async fn where_none_fits_all_are_cleared_instead_of_going_in_circles(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    browser.set_cookie(REFRESH, "worn.out.cookie");
    browser.plant_cookie(REFRESH, "planted");
    let answer = browser.get("/dashboard").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/log-in?next=%2Fdashboard"));
    assert!(browser.cookie_names().is_empty());
    // Where it leads to is no redirect, so there is no circle.
    assert_eq!(browser.get("/log-in?next=%2Fdashboard").await.status, 200);
    // Logging in beside the planted cookie works.
    browser.log_in("ann").await;
    assert_eq!(browser.get("/dashboard").await.status, 200);
}

#[rstest]
#[tokio::test]
async fn a_hundred_planted_cookies_are_refused_at_little_cost(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    let good = browser.clone();
    let before = server.house.database.round_trips();
    for _ in 0..100 {
        browser.plant_cookie(ACCESS, good.cookie(ACCESS).unwrap());
        browser.plant_cookie(REFRESH, "planted");
    }
    let answer = browser.get("/dashboard").await;
    assert_eq!(answer.status, 303);
    assert!(server.house.database.round_trips() - before < 10, "few statements for many cookies");
}
