use reqwest::StatusCode;
use rstest::rstest;
use vestibule_testkit::DatabaseKind;

use crate::start::start;

#[rstest]
#[tokio::test]
async fn home_has_a_picture_that_browsers_may_keep(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let anonymous = server.anonymous();
    let home = anonymous.get("/").await;
    assert_eq!(home.status, StatusCode::OK);
    for part in ["<header", "<nav", "<main", "<footer"] {
        assert!(home.text.contains(part), "{part}");
    }
    let begin = home.text.find("/public/doorway.svg?v=").expect("the picture is on the page");
    let address: String = home.text[begin..].chars().take_while(|c| *c != '"').collect();

    let picture = anonymous.get(&address).await;
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"));
    assert!(picture.header("cache-control").unwrap().contains("immutable"));
    let etag = picture.header("etag").unwrap();

    let bare = anonymous.get("/public/doorway.svg").await;
    assert_eq!(bare.header("cache-control"), Some("public, no-cache"));
    let known =
        anonymous.send(reqwest::Method::GET, "/public/doorway.svg", &[("if-none-match", etag)], "").await;
    assert_eq!((known.status, known.text.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn nothing_outside_of_public_can_be_fetched() {
    let server = start(DatabaseKind::Sqlite).await;
    for path in [
        "/public/../Cargo.toml",
        "/public/%2e%2e/Cargo.toml",
        "/public/..%2fCargo.toml",
        "/public/",
        "/public/x",
    ] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}
