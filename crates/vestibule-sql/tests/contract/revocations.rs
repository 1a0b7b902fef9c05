//! What triggers write down of sessions that end, and how it is read page by page.

use std::collections::BTreeSet;

use rstest::rstest;
use time::{Duration, OffsetDateTime};
use vestibule::models::{Session, SessionIdHash, User};
use vestibule::ports::{Clock, SystemClock};
use vestibule::repository::{NewSession, Revocations, Sessions, Users};
use vestibule_sql::Database;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};

use crate::fixtures::{hash, house, secret, session};

/// The database asks its own clock.
fn now() -> OffsetDateTime {
    SystemClock.now()
}

async fn add_session(database: &Database, user: &User, expires_at: OffsetDateTime) -> SessionIdHash {
    let session = Session {
        expires_at,
        absolute_expires_at: expires_at + Duration::DAY,
        public_id: vestibule::models::PublicSessionId::new(now(), crate::fixtures::random()),
        ..session(user)
    };
    let new = NewSession { session: &session, password_hash: &hash("a") };
    assert!(database.alone().insert_session(new).await.unwrap());
    session.id_hash
}

async fn add_live_session(database: &Database, user: &User) -> SessionIdHash {
    add_session(database, user, now() + Duration::DAY).await
}

fn text(id: SessionIdHash) -> String {
    id.to_base64()
}

/// All that is told at this moment, with the moment until which tokens are refused.
async fn told(database: &Database) -> Vec<(String, OffsetDateTime)> {
    let page = database.alone().list_revocations(None, 1000).await.unwrap();
    assert!(!page.has_more && !page.is_reset);
    page.revocations.iter().map(|one| (text(one.session), one.issued_until)).collect()
}

#[rstest]
#[tokio::test]
async fn a_session_that_ends_is_written_down_once_and_one_that_was_over_is_not(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, user, long_over) = house(kind).await;
    let mut alone = database.alone();
    let just_over = add_session(&database, &user, now() - Duration::minutes(2)).await;
    let deleted = add_live_session(&database, &user).await;
    let revoked = add_live_session(&database, &user).await;
    assert_eq!(told(&database).await, []);
    let before = now();
    for id in [long_over.id_hash, just_over, deleted] {
        assert!(alone.delete_session(id).await.unwrap());
    }
    assert!(alone.revoke_replayed_session(revoked, &secret(9), now()).await.unwrap());
    let ends = told(&database).await;
    assert_eq!(ends.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [text(deleted), text(revoked)]);
    for (_, until) in &ends {
        // For servers whose clocks are ahead.
        assert!(
            (Duration::seconds(59)..Duration::seconds(70)).contains(&(*until - before)),
            "{until} {before}"
        );
    }
    assert!(alone.delete_session(revoked).await.unwrap());
    assert_eq!(told(&database).await, ends, "it had ended before");
}

#[rstest]
#[tokio::test]
async fn what_is_undone_is_not_told(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, user, _) = house(kind).await;
    let id = add_live_session(&database, &user).await;
    let mut work = database.begin().await.unwrap();
    assert!(work.delete_session(id).await.unwrap());
    drop(work);
    assert_eq!(told(&database).await, []);
    assert!(database.alone().delete_session(id).await.unwrap());
    assert_eq!(told(&database).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_user_who_changes_is_told_by_their_sessions_and_one_who_goes_too(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, user, _) = house(kind).await;
    let of_now = [add_live_session(&database, &user).await, add_live_session(&database, &user).await];
    let ids: BTreeSet<String> = of_now.into_iter().map(text).collect();
    let by_hand = async |sql: &'static str| database.alone().write(sql).execute().await.unwrap();
    let mut seen = 0;
    let mut next = async || {
        let all = told(&database).await;
        let new = all[seen..].to_vec();
        seen = all.len();
        new
    };
    for (sql, ahead) in [
        ("UPDATE users SET role = 'editor'", Duration::ZERO),
        ("UPDATE users SET is_disabled = NOT is_disabled", Duration::MINUTE),
    ] {
        assert_eq!(by_hand(sql).await, 1, "what the trigger writes is not counted");
        let new = next().await;
        assert_eq!(new.iter().map(|(id, _)| id.clone()).collect::<BTreeSet<_>>(), ids, "{sql}");
        assert!(new.iter().all(|(_, until)| (now() + ahead - *until).abs() < Duration::seconds(9)), "{sql}");
    }
    for harmless in [
        "UPDATE users SET name = 'Anna', updated_at = created_at",
        "UPDATE users SET role = role",
        "UPDATE users SET is_disabled = NOT is_disabled",
        "UPDATE sessions SET last_seen_at = created_at, is_revoked = is_revoked",
    ] {
        by_hand(harmless).await;
        assert_eq!(next().await, [], "{harmless}");
    }
    assert!(database.alone().delete_user(user.id, None).await.unwrap());
    assert_eq!(
        next().await.into_iter().map(|(id, _)| id).collect::<BTreeSet<_>>(),
        ids,
        "the user's removal"
    );
}

#[rstest]
#[tokio::test]
async fn pages_tell_everything_in_turn_and_the_next_time_only_what_is_new(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, user, _) = house(kind).await;
    let mut alone = database.alone();
    let mut expected = BTreeSet::new();
    for _ in 0..5 {
        expected.insert(text(add_live_session(&database, &user).await));
    }
    // All in one transaction: on PostgreSQL they have one position.
    assert_eq!(alone.delete_sessions_of(user.id, None).await.unwrap(), 6);
    for _ in 0..2 {
        let id = add_live_session(&database, &user).await;
        expected.insert(text(id));
        assert!(alone.delete_session(id).await.unwrap());
    }
    let mut cursor = None;
    let mut pages = Vec::new();
    loop {
        let page = alone.list_revocations(cursor.as_ref(), 3).await.unwrap();
        assert!(!page.is_reset);
        pages.push(page.revocations.iter().map(|one| text(one.session)).collect::<Vec<_>>());
        // As it travels.
        cursor = Some(page.next.to_string().parse().unwrap());
        if !page.has_more {
            break;
        }
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(pages.into_iter().flatten().collect::<BTreeSet<_>>(), expected);
    // Others of the server may hold it back, and never lose anything: so until nothing comes.
    for _ in 0..100 {
        let page = alone.list_revocations(cursor.as_ref(), 100).await.unwrap();
        cursor = Some(page.next);
        if page.revocations.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let id = add_live_session(&database, &user).await;
    assert!(alone.delete_session(id).await.unwrap());
    let page = alone.list_revocations(cursor.as_ref(), 100).await.unwrap();
    assert_eq!(page.revocations.iter().map(|one| text(one.session)).collect::<Vec<_>>(), [text(id)]);
}

#[tokio::test]
async fn what_was_begun_earlier_and_is_committed_later_is_not_left_out() {
    let (_test, database, user, _) = house(Postgres).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(add_live_session(&database, &user).await);
    }
    let mut alone = database.alone();
    let mut early = database.begin().await.unwrap();
    assert!(early.delete_session(ids[0]).await.unwrap());
    for id in &ids[1..3] {
        assert!(alone.delete_session(*id).await.unwrap());
    }
    // In two pages, between which nothing is committed, and after which the early one is.
    let first = alone.list_revocations(None, 1).await.unwrap();
    assert!(first.has_more);
    let second = alone.list_revocations(Some(&first.next), 1).await.unwrap();
    assert!(!second.has_more);
    let seen = |page: &vestibule::models::RevocationPage| {
        page.revocations.iter().map(|one| text(one.session)).collect::<Vec<_>>()
    };
    assert_eq!(
        [seen(&first), seen(&second)].concat(),
        [text(ids[1]), text(ids[2])],
        "later ones do not wait for it"
    );
    early.commit().await.unwrap();
    assert!(alone.delete_session(ids[3]).await.unwrap());
    let third = alone.list_revocations(Some(&second.next), 10).await.unwrap();
    assert!(!third.is_reset && !third.has_more);
    let third = seen(&third);
    assert_eq!(third[0], text(ids[0]), "what came to light late");
    assert!(third.contains(&text(ids[3])), "{third:?}");
}

#[rstest]
#[tokio::test]
async fn who_comes_with_a_cursor_of_elsewhere_begins_anew(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, user, _) = house(kind).await;
    let mut alone = database.alone();
    let id = add_live_session(&database, &user).await;
    assert!(alone.delete_session(id).await.unwrap());
    let cursor = alone.list_revocations(None, 10).await.unwrap().next;
    let mut elsewhere = cursor.clone();
    elsewhere.epoch = "0".repeat(32);
    let mut ahead = cursor.clone();
    // A copy of the file was put back: it goes on where this one was long ago.
    ahead.floor += 1_000_000_000;
    for cursor in [elsewhere, ahead] {
        let page = alone.list_revocations(Some(&cursor), 10).await.unwrap();
        assert!(page.is_reset);
        assert_eq!(page.revocations.len(), 1);
        let again = alone.list_revocations(Some(&page.next), 10).await.unwrap();
        assert!(!again.is_reset);
    }
}

#[rstest]
#[tokio::test]
async fn those_that_concern_no_living_token_are_removed_but_for_the_newest(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, user, _) = house(kind).await;
    let mut alone = database.alone();
    let mut newest = None;
    for _ in 0..4 {
        let id = add_live_session(&database, &user).await;
        assert!(alone.delete_session(id).await.unwrap());
        newest = Some(id);
    }
    let before = alone.list_revocations(None, 2).await.unwrap();
    assert_eq!(alone.delete_old_revocations(now(), 10).await.unwrap(), 0);
    let over = now() + Duration::minutes(2);
    assert_eq!(alone.delete_old_revocations(over, 2).await.unwrap(), 2);
    assert_eq!(alone.delete_old_revocations(over, 2).await.unwrap(), 1);
    assert_eq!(alone.delete_old_revocations(over, 2).await.unwrap(), 0);
    let left: Vec<String> = told(&database).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(left, [text(newest.unwrap())], "so that no position comes twice");
    let page = alone.list_revocations(Some(&before.next), 10).await.unwrap();
    assert!(!page.is_reset, "what is gone concerned tokens that are over");
}

#[tokio::test]
async fn where_the_table_is_emptied_by_hand_all_tokens_of_before_are_told_to_be_over() {
    let (_test, database, user, _) = house(Postgres).await;
    add_live_session(&database, &user).await;
    let mut alone = database.alone();
    assert_eq!(alone.list_revocations(None, 10).await.unwrap().all_until, None);
    alone.write("TRUNCATE sessions").execute().await.unwrap();
    let page = alone.list_revocations(None, 10).await.unwrap();
    assert!(page.all_until.unwrap() > now());
}

/// A restore runs with an empty search path, and an operator may have another.
#[tokio::test]
async fn a_session_is_written_down_whatever_the_search_path_is() {
    let (_test, database, user, _) = house(Postgres).await;
    let id = add_live_session(&database, &user).await;
    let mut work = database.begin().await.unwrap();
    work.write("SET LOCAL search_path = ''").execute().await.unwrap();
    work.write("DELETE FROM public.sessions").execute().await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(told(&database).await[0].0, text(id));
}

/// Transactions that overlap in every way, read in small pages meanwhile.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_while_many_end_sessions_misses_none(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    const WRITERS: usize = 4;
    const EACH: usize = 20;
    let (_test, database, user, _) = house(kind).await;
    let mut expected = BTreeSet::new();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let mut ids = Vec::new();
        for _ in 0..EACH {
            ids.push(add_live_session(&database, &user).await);
        }
        expected.extend(ids.iter().copied().map(text));
        let database = database.clone();
        writers.spawn(async move {
            for (number, id) in ids.into_iter().enumerate() {
                let mut work = database.begin().await.unwrap();
                assert!(work.delete_session(id).await.unwrap());
                // Each holds its transaction open for another time.
                let open_for = u64::try_from((number * 7 + writer * 3) % 11).unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(open_for)).await;
                work.commit().await.unwrap();
            }
        });
    }
    let (mut seen, mut cursor, mut rounds_after_the_end) = (BTreeSet::new(), None, 0);
    while rounds_after_the_end < 2 {
        let is_over = writers.is_empty();
        let page = database.alone().list_revocations(cursor.as_ref(), 3).await.unwrap();
        assert!(!page.is_reset);
        seen.extend(page.revocations.iter().map(|one| text(one.session)));
        rounds_after_the_end += usize::from(is_over && !page.has_more);
        cursor = Some(page.next);
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
    }
    assert_eq!(seen, expected);
}
