use reqwest::Method;
use rstest::rstest;
use time::Duration;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestServer;

use crate::signed_up;

/// The address of the style sheet, as the log-in page names it.
async fn stylesheet(server: &TestServer) -> String {
    let page = server.anonymous().get("/log-in").await.text;
    let start = page.find("/assets/vestibule.css?v=").expect("the page names its style sheet");
    page[start..].split('"').next().expect("a split text has a first part").to_owned()
}

#[rstest]
#[tokio::test]
async fn a_file_named_with_its_fingerprint_is_kept_for_ever(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let answer = server.anonymous().get(&stylesheet(&server).await).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
    for other in ["/assets/vestibule.css", "/assets/vestibule.css?v=old", "/assets/vestibule.css?v="] {
        let answer = server.anonymous().get(other).await;
        assert_eq!(answer.header("cache-control"), Some("public, no-cache"), "{other}");
    }
}

#[rstest]
#[tokio::test]
async fn texts_are_packed_for_who_takes_that_and_pages_never(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let get = async |path: &str, accepted| {
        server.anonymous().send(Method::GET, path, &[("accept-encoding", accepted)], "").await
    };
    for file in ["/assets/vestibule.css", "/assets/vestibule.js"] {
        let plain = get(file, "br, gzip;q=0").await;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")));
        let packed = get(file, "deflate, GZIP;q=0.8").await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        let length = |answer: &vestibule_testkit::Answer| {
            answer.header("content-length").and_then(|length| length.parse::<usize>().ok()).expect("a length")
        };
        assert!(length(&packed) < length(&plain) / 2);
        assert_eq!(packed.header("content-type"), plain.header("content-type"));
        assert_ne!(packed.header("etag"), plain.header("etag"), "they are not the same bytes");
    }
    assert_eq!(get("/log-in", "gzip").await.header("content-encoding"), None);
}

#[rstest]
#[tokio::test]
async fn a_file_that_is_known_is_not_sent_again(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let path = "/assets/vestibule.css";
    let etag = server.anonymous().get(path).await.header("etag").unwrap().to_owned();
    for known in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}")] {
        let answer = server.anonymous().send(Method::GET, path, &[("if-none-match", &known)], "").await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""), "{known}");
    }
    let answer = server.anonymous().send(Method::GET, path, &[("if-none-match", "\"other\"")], "").await;
    assert_eq!(answer.status, 200);
}

#[rstest]
#[tokio::test]
async fn what_every_cache_may_keep_never_carries_a_session_s_cookies(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let mut browser = signed_up(&server, "ann").await;
    server.clock.advance(Duration::hours(1));
    // A page would refresh the session now.
    for path in [stylesheet(&server).await, "/.well-known/jwks.json".into(), "/healthz".into()] {
        let answer = browser.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.set_cookies().is_empty(), "{path}: {answer:?}");
    }
}
