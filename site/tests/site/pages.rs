//! Every page with awkward content, so that a template's mistake never reaches a person.

use rstest::rstest;
use vestibule_testkit::{DatabaseKind, PASSWORD};

use crate::start::start;

const MARKUP: &str = "<script>alert(1)</script>\"'&";

#[rstest]
#[tokio::test]
async fn markup_in_every_field_is_shown_as_text(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let mut browser = server.browser();
    let body = serde_json::json!({ "name": MARKUP, "email": "ann@example.com", "password": PASSWORD });
    browser.call(reqwest::Method::POST, "/api/auth/sign-up", Some(&body)).await;
    let made = browser.post_form("/notes", &[("title", MARKUP), ("body", MARKUP)]).await;
    let note = made.location().to_owned();
    let invalid = browser.post_form("/notes", &[("title", ""), ("body", MARKUP)]).await;
    assert_eq!(invalid.status.as_u16(), 422);
    let mut pages = vec![invalid];
    for path in [
        "/",
        "/dashboard",
        "/notes",
        "/notes/new",
        "/log-in",
        "/sign-up",
        "/nowhere",
        &note,
        &format!("{note}/edit"),
    ] {
        pages.push(browser.get(path).await);
    }
    pages.push(
        browser.post_form("/sign-up", &[("name", MARKUP), ("email", MARKUP), ("password", MARKUP)]).await,
    );
    for page in pages {
        assert!(page.text.contains("</html>"), "{page:?}");
        let ours = page.text.matches(r#"<script type="module" src="/assets/vestibule.js?v="#).count();
        assert_eq!((ours, page.text.matches("<script").count()), (1, 1), "{page:?}");
        assert!(
            !page.text.contains("style=")
                && !page.text.contains("http://")
                && !page.text.contains("https://")
        );
    }
}

#[rstest]
#[tokio::test]
async fn the_dashboard_greets_and_tells_of_role_and_session(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let mut browser = server.browser();
    browser.sign_up("ann").await;
    let page = browser.get("/dashboard").await;
    for part in
        ["Good to see you, ann", "ann@example.com", "not confirmed yet", "user", "127.0.0.1", "1 May 2026"]
    {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert_eq!(page.header("cache-control"), Some("private, no-store"));
}
