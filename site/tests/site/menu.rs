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
}
