use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::PASSWORD;

use crate::start::start;

#[rstest]
#[tokio::test]
async fn notes_are_in_the_export_and_go_with_the_account(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = start(kind).await;
    let (mut ann, mut eve) = (server.browser(), server.browser());
    ann.sign_up("ann").await;
    eve.sign_up("eve").await;
    for (browser, count) in [(&mut ann, 120), (&mut eve, 1)] {
        for number in 0..count {
            let note = json!({ "title": format!("Note {number}"), "body": "text" });
            assert_eq!(browser.call(Method::POST, "/api/notes", Some(&note)).await.status, 201);
        }
    }
    let export = ann.call(Method::GET, "/api/account/export", None).await.json();
    let notes = export["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 120, "more than a page of them");
    assert!(notes.iter().all(|note| note["title"].is_string() && note["updated_at"].is_string()));

    let body = json!({ "current_password": PASSWORD });
    assert_eq!(ann.call(Method::DELETE, "/api/account", Some(&body)).await.status, 204);
    assert_eq!(server.house.count("SELECT COUNT(*) AS count FROM notes").await, 1, "those of others stay");
}

#[rstest]
#[tokio::test]
async fn the_account_is_a_step_away_from_every_page(#[values(Sqlite)] kind: DatabaseKind) {
    let server = start(kind).await;
    let mut browser = server.browser();
    browser.sign_up("ann").await;
    for path in ["/", "/dashboard", "/notes", "/account"] {
        assert!(browser.get(path).await.text.contains("href=\"/account\""), "{path}");
    }
    let page = browser.get("/account").await;
    assert!(page.text.contains("aria-current=\"page\"") && page.text.contains("Where you are logged in"));
    assert!(browser.get("/dashboard").await.text.contains("href=\"/confirm-email/resend\""));
}
