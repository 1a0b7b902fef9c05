use reqwest::StatusCode;
use rstest::rstest;
use vestibule_testkit::DatabaseKind;

use crate::start::start;

#[rstest]
#[tokio::test]
async fn a_note_is_written_read_changed_and_thrown_away_by_forms_alone(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let mut ann = server.browser();
    ann.sign_up("ann").await;
    assert!(ann.get("/notes").await.text.contains("Nothing here yet"));

    let made = ann.post_form("/notes", &[("title", "Milk"), ("body", "two\r\nlitres")]).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER);
    let note = made.location().to_owned();
    assert!(ann.get(&note).await.text.contains("two\nlitres"));
    assert!(ann.get("/notes").await.text.contains("Milk"));
    assert!(ann.get(&format!("{note}/edit")).await.text.contains("value=\"Milk\""));

    let changed = ann.post_form(&note, &[("title", "Bread"), ("body", "")]).await;
    assert_eq!((changed.status, changed.location()), (StatusCode::SEE_OTHER, note.as_str()));
    assert!(ann.get(&note).await.text.contains("Bread"));

    let deleted = ann.post_form(&format!("{note}/delete"), &[]).await;
    assert_eq!((deleted.status, deleted.location()), (StatusCode::SEE_OTHER, "/notes"));
    assert_eq!(ann.get(&note).await.status, StatusCode::NOT_FOUND);
}

#[rstest]
#[tokio::test]
async fn a_form_keeps_what_was_typed_and_says_what_is_wrong(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let mut ann = server.browser();
    ann.sign_up("ann").await;
    let refused = ann.post_form("/notes", &[("title", ""), ("body", "a long thought")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("Give the note a title.") && refused.text.contains("a long thought"));

    let made = ann.post_form("/notes", &[("title", "Milk"), ("body", "")]).await;
    let long = "x".repeat(201);
    let refused = ann.post_form(made.location(), &[("title", &long), ("body", "kept")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("too long") && refused.text.contains(&long) && refused.text.contains("kept")
    );
}

#[rstest]
#[tokio::test]
async fn a_note_may_be_as_long_in_any_script(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let mut ann = server.browser();
    ann.sign_up("ann").await;
    // A browser sends each byte of these as three.
    for letter in ["x", "я", "書"] {
        let (title, body) = (letter.repeat(200), letter.repeat(20_000));
        let made = ann.post_form("/notes", &[("title", &title), ("body", &body)]).await;
        assert_eq!(made.status, StatusCode::SEE_OTHER, "{letter}");
        assert!(ann.get(made.location()).await.text.contains(&body), "{letter}");
        let refused = ann.post_form(made.location(), &[("title", &title), ("body", &(body + letter))]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{letter}");
        assert!(refused.text.contains("This note is too long"), "{letter}");
    }
}

#[rstest]
#[tokio::test]
async fn a_note_written_over_a_long_pause_is_not_lost(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let mut ann = server.browser();
    ann.sign_up("ann").await;
    server.clock.advance(time::Duration::hours(20));
    let made = ann.post_form("/notes", &[("title", "Written all day"), ("body", "")]).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER);
    assert!(made.location().starts_with("/notes/"), "{made:?}");
    assert!(ann.get("/notes").await.text.contains("Written all day"));
}

#[rstest]
#[tokio::test]
async fn what_was_typed_is_shown_again_when_the_database_is_away(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let mut ann = server.browser();
    ann.sign_up("ann").await;
    let break_notes = "DROP TABLE notes";
    server.house.database.alone().write(break_notes).execute().await.unwrap();
    let refused = ann.post_form("/notes", &[("title", "Milk"), ("body", "a long thought")]).await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(refused.text.contains("a long thought") && refused.text.contains("on our side"), "{refused:?}");
    assert!(!refused.text.contains("DROP") && !refused.text.contains("notes\" does not exist"));
}
