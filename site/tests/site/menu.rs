use rstest::rstest;
use vestibule_testkit::DatabaseKind;

use crate::start::start;

#[tokio::test]
async fn the_menu_shows_where_one_is_and_who() {
    let server = start(DatabaseKind::Sqlite).await;
    let mut browser = server.browser();
    let stranger = browser.get("/log-in").await.text;
    assert!(stranger.contains(r#"href="/log-in" aria-current="page""#), "{stranger}");
    assert!(!stranger.contains("/notes") && !stranger.contains("Log out"));

    browser.sign_up("ann").await;
    let page = browser.get("/notes/new").await.text;
    assert!(page.contains(r#"href="/notes" aria-current="page""#), "below a menu item: {page}");
    assert!(page.contains("ann") && page.contains("Log out") && !page.contains(r#"href="/log-in""#));
}

#[tokio::test]
async fn an_error_page_stands_in_the_layout_and_knows_who_asks() {
    let server = start(DatabaseKind::Sqlite).await;
    let mut browser = server.browser();
    browser.sign_up("ann").await;
    let missing = browser.get("/notes/00000000-0000-7000-8000-000000000000").await;
    assert_eq!(missing.status.as_u16(), 404);
    assert!(missing.text.contains("<footer") && missing.text.contains("Log out"), "{}", missing.text);

    server.clock.advance(time::Duration::hours(1));
    let nowhere = browser.get("/nowhere").await;
    assert_eq!(nowhere.status.as_u16(), 404);
    assert!(nowhere.text.contains("Log out"), "a link that leads nowhere logs nobody out: {nowhere:?}");
    let no_page = browser.get("/account/email").await;
    assert_eq!(no_page.status.as_u16(), 405);
    assert!(no_page.text.contains("Log out"), "{no_page:?}");
    let picture = browser.send(reqwest::Method::GET, "/nowhere.png", &[("accept", "image/*")], "").await;
    assert_eq!(picture.status.as_u16(), 404);
    assert!(!picture.text.contains("Log out"), "nobody's session is read for a file: {picture:?}");
}

#[rstest]
#[tokio::test]
async fn a_page_about_our_own_trouble_stands_in_the_layout_too(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let mut browser = server.browser();
    browser.sign_up("ann").await;
    server.house.database.alone().write("DROP TABLE notes").execute().await.unwrap();
    let broken = browser.get("/notes").await;
    assert_eq!(broken.status.as_u16(), 500);
    server.house.database.close().await;
    let away = browser.get("/dashboard").await;
    assert_eq!(away.status.as_u16(), 503);
    assert!(away.text.contains("cannot reach its database"), "{away:?}");
    for page in [broken, away] {
        let id = page.header("x-request-id").unwrap();
        assert!(page.text.contains("<footer") && page.text.contains("logo.svg"), "{page:?}");
        assert!(page.text.contains(id), "what to name when asking about it: {page:?}");
        assert!(!page.text.contains("DROP") && !page.text.contains("no such table"), "{page:?}");
    }
}
