use rstest::rstest;
use site::models::{Note, NoteCursor, NoteId, NoteText};
use site::repository::{delete_note, find_note, insert_note, list_notes, update_note};
use time::macros::datetime;
use vestibule::models::UserId;
use vestibule::ports::{OsRandom, Random};
use vestibule_testkit::DatabaseKind;

use crate::start::start;

fn note(number: i64) -> Note {
    let at = datetime!(2026-05-01 12:00:00.000001 UTC) + time::Duration::seconds(number);
    let id = NoteId((&OsRandom as &dyn Random).uuid_v7(at));
    Note { id, text: NoteText::parse(&format!("n{number}"), "b").unwrap(), created_at: at, updated_at: at }
}

#[rstest]
#[tokio::test]
async fn every_statement_asks_for_the_owner(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let server = start(kind).await;
    let ann: UserId = server.house.signed_up("ann").await.user.id;
    let eve: UserId = server.house.signed_up("eve").await.user.id;
    let mut database = server.house.database.alone();
    let (old, new) = (note(1), note(2));
    insert_note(&mut database, ann, &old).await.unwrap();
    insert_note(&mut database, ann, &new).await.unwrap();

    assert_eq!(find_note(&mut database, ann, old.id).await.unwrap(), Some(old.clone()));
    assert_eq!(find_note(&mut database, eve, old.id).await.unwrap(), None);
    assert_eq!(list_notes(&mut database, ann, None, 10).await.unwrap(), [new.clone(), old.clone()]);
    assert_eq!(list_notes(&mut database, ann, None, 1).await.unwrap(), std::slice::from_ref(&new));
    assert_eq!(
        list_notes(&mut database, ann, Some(NoteCursor(new.id)), 10).await.unwrap(),
        std::slice::from_ref(&old)
    );
    assert!(list_notes(&mut database, eve, None, 10).await.unwrap().is_empty());

    let text = NoteText::parse("changed", "").unwrap();
    assert!(update_note(&mut database, eve, old.id, &text, new.created_at).await.unwrap().is_none());
    let changed = update_note(&mut database, ann, old.id, &text, new.created_at).await.unwrap().unwrap();
    assert_eq!(changed, Note { text, updated_at: new.created_at, ..old.clone() });

    assert!(!delete_note(&mut database, eve, old.id).await.unwrap());
    assert!(delete_note(&mut database, ann, old.id).await.unwrap());
    assert!(!delete_note(&mut database, ann, old.id).await.unwrap());

    database.write("DELETE FROM users").execute().await.unwrap();
    assert!(list_notes(&mut database, ann, None, 10).await.unwrap().is_empty(), "notes go with their user");
}
