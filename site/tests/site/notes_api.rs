use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use vestibule_testkit::{Answer, Browser, DatabaseKind};

use crate::start::start;

async fn write(browser: &mut Browser, title: &str) -> Value {
    let answer =
        browser.call(Method::POST, "/api/notes", Some(&json!({ "title": title, "body": "b" }))).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

fn titles(answer: &Answer) -> Vec<String> {
    let notes = answer.json()["notes"].as_array().cloned().unwrap();
    notes.iter().map(|note| note["title"].as_str().unwrap().to_owned()).collect()
}

#[rstest]
#[tokio::test]
async fn a_note_is_written_read_changed_and_thrown_away(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let mut ann = server.browser();
    ann.sign_up("ann").await;
    let body = json!({ "title": " Milk ", "body": "two\r\nlitres", "user_id": "someone else", "id": "x" });
    let made = ann.call(Method::POST, "/api/notes", Some(&body)).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let note = made.json();
    assert_eq!((&note["title"], &note["body"]), (&json!("Milk"), &json!("two\nlitres")));
    assert_eq!(note["created_at"], note["updated_at"]);
    assert_eq!(note.as_object().unwrap().len(), 5);
    let path = format!("/api/notes/{}", note["id"].as_str().unwrap());
    assert_eq!(made.location(), path);
    assert_eq!(ann.call(Method::GET, &path, None).await.json(), note);

    server.clock.advance(time::Duration::minutes(1));
    let changed = ann.call(Method::PUT, &path, Some(&json!({ "title": "Bread", "body": "" }))).await;
    assert_eq!(changed.status, StatusCode::OK);
    let changed = changed.json();
    assert_eq!(
        (&changed["title"], &changed["body"], &changed["id"]),
        (&json!("Bread"), &json!(""), &note["id"])
    );
    assert_eq!(changed["created_at"], note["created_at"]);
    assert_ne!(changed["updated_at"], note["updated_at"]);

    assert_eq!(ann.call(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(ann.call(method, &path, None).await.code(), "not_found");
    }
}

#[rstest]
#[tokio::test]
async fn notes_of_others_are_as_if_they_were_not_there(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let (mut ann, mut eve) = (server.browser(), server.browser());
    ann.sign_up("ann").await;
    eve.sign_up("eve").await;
    let note = write(&mut ann, "secret").await;
    let path = format!("/api/notes/{}", note["id"].as_str().unwrap());
    let changed = json!({ "title": "mine now", "body": "" });
    assert_eq!(eve.call(Method::GET, &path, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(eve.call(Method::PUT, &path, Some(&changed)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(eve.call(Method::DELETE, &path, None).await.status, StatusCode::NOT_FOUND);
    assert!(titles(&eve.call(Method::GET, "/api/notes", None).await).is_empty());
    assert_eq!(ann.call(Method::GET, &path, None).await.json(), note);
    // A place in somebody else's list shows one's own notes only.
    let cursor = format!("/api/notes?cursor={}", note["id"].as_str().unwrap());
    write(&mut eve, "eve's").await;
    assert!(!titles(&eve.call(Method::GET, &cursor, None).await).contains(&"secret".to_owned()));
}

#[rstest]
#[tokio::test]
async fn a_list_is_read_page_by_page_newest_first(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let mut ann = server.browser();
    ann.sign_up("ann").await;
    for number in 0..45 {
        write(&mut ann, &format!("n{number}")).await;
        server.clock.advance(time::Duration::milliseconds(2));
    }
    let mut read = Vec::new();
    let mut path = "/api/notes".to_owned();
    loop {
        let page = ann.call(Method::GET, &path, None).await;
        let here = titles(&page);
        assert!(here.len() == 20 || here.len() == 5);
        read.extend(here);
        match page.json()["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/notes?cursor={cursor}&limit=20"),
            None => break,
        }
    }
    let expected: Vec<_> = (0..45).rev().map(|number| format!("n{number}")).collect();
    assert_eq!(read, expected);
    assert_eq!(titles(&ann.call(Method::GET, "/api/notes?limit=100", None).await).len(), 45);
    assert_eq!(titles(&ann.call(Method::GET, "/api/notes?limit=1", None).await), ["n44"]);
    for query in ["limit=0", "limit=101", "limit=x", "limit=", "cursor=x", "cursor=%00"] {
        let refused = ann.call(Method::GET, &format!("/api/notes?{query}"), None).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert_eq!(refused.code(), "invalid_input");
    }
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_a_note_is_said_field_by_field(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let mut ann = server.browser();
    ann.sign_up("ann").await;
    let long = "x".repeat(20_001);
    for (body, fields) in [
        (json!({}), vec!["title"]),
        (json!({ "title": null, "body": null }), vec!["title"]),
        (json!({ "title": "x".repeat(201), "body": long }), vec!["title", "body"]),
        (json!({ "title": 7 }), vec!["title"]),
        (json!({ "title": "x", "body": ["y"] }), vec!["body"]),
        (json!([]), vec!["request"]),
    ] {
        let refused = ann.call(Method::POST, "/api/notes", Some(&body)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
        let errors = refused.json()["errors"].as_array().cloned().unwrap();
        let named: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect();
        assert_eq!(named, fields, "{refused:?}");
    }
    for id in ["x", "..", "%00", "%ff", "00000000-0000-7000-8000-000000000000"] {
        let missing = ann.call(Method::GET, &format!("/api/notes/{id}"), None).await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND, "{id}");
    }
}
