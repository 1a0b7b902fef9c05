use std::collections::HashSet;
use std::sync::Arc;

use rstest::rstest;
use time::Duration;
use vestibule::models::{Actor, AuditEvent, AuditEventId, AuditEventKind, RefreshSecretHash, Session};
use vestibule::repository::{AuditEvents, Inserted, NewSession, Rotation, Sessions, Users};
use vestibule_sql::Database;
use vestibule_testkit::DatabaseKind;

use crate::fixtures::{NOON, hash, house, random, secret, session, user};

fn rotation(session: &Session, shown: RefreshSecretHash, next: RefreshSecretHash) -> Rotation {
    let now = NOON + Duration::minutes(5);
    Rotation {
        session: session.id_hash,
        shown,
        next,
        now,
        grace_start: Session::grace_start(now),
        expires_at: now + Duration::days(7),
    }
}

/// What tells that a session began.
fn log_in_of(session: &Session) -> AuditEvent {
    AuditEvent {
        id: AuditEventId::new(NOON, random()),
        kind: AuditEventKind::LoggedIn,
        user_id: Some(session.user_id),
        actor: Actor::Visitor,
        detail: "by password".to_owned(),
        created_at: NOON,
        client: session.client.clone(),
    }
}

async fn stored(database: &Database, session: &Session) -> Arc<Session> {
    database.alone().find_session_with_user(session.id_hash).await.unwrap().unwrap().session
}

#[rstest]
#[tokio::test]
async fn a_session_is_found_with_its_user_as_they_were_stored(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, ours) = house(kind).await;
    let found = database.alone().find_session_with_user(ours.id_hash).await.unwrap().unwrap();
    assert_eq!(*found.user, ann);
    let found = found.session;
    assert!(found.secret_hash.matches(&ours.secret_hash) && found.previous_secret_hash.is_none());
    assert!(found.csrf_token.matches(ours.csrf_token.as_str()));
    assert_eq!((found.id_hash, found.public_id, found.user_id), (ours.id_hash, ours.public_id, ours.user_id));
    assert_eq!((found.created_at, found.last_seen_at), (ours.created_at, ours.last_seen_at));
    assert_eq!((found.expires_at, found.absolute_expires_at), (ours.expires_at, ours.absolute_expires_at));
    assert_eq!((found.secret_rotated_at, found.secret_first_used_at), (ours.secret_rotated_at, None));
    assert_eq!((found.is_revoked, &found.client), (false, &ours.client));
    assert!(database.alone().find_session_with_user([0; 32].into()).await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn a_session_needs_a_user_with_the_verified_password_who_is_not_disabled(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let new = session(&ann);
    let insert = async |session: &Session, hash| {
        database.alone().insert_session(NewSession { session, password_hash: &hash }).await.unwrap()
    };
    assert!(!insert(&new, hash("b")).await, "another password");
    let mut of_nobody = session(&ann);
    of_nobody.user_id = user("nobody@example.com").id;
    assert!(!insert(&of_nobody, hash("a")).await, "no such user");
    let disable = "UPDATE users SET is_disabled = $1";
    database.alone().write(disable).bind(true).execute().await.unwrap();
    assert!(!insert(&new, hash("a")).await, "disabled");
    database.alone().write(disable).bind(false).execute().await.unwrap();
    assert!(insert(&new, hash("a")).await);
}

#[rstest]
#[tokio::test]
async fn an_id_that_exists_is_never_overwritten(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, ours) = house(kind).await;
    let mut planted = session(&ann);
    planted.id_hash = ours.id_hash;
    planted.secret_hash = secret(66);
    let new = NewSession { session: &planted, password_hash: &hash("a") };
    assert!(database.alone().insert_session(new).await.is_err());
    assert!(stored(&database, &ours).await.secret_hash.matches(&secret(1)));
}

#[rstest]
#[tokio::test]
async fn a_password_change_under_way_decides_whether_a_session_is_stored(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
    #[values(false, true)] has_event: bool,
) {
    let (_test, database, ann, ours) = house(kind).await;
    let mut change = database.begin().await.unwrap();
    assert!(change.replace_password_hash(ann.id, &hash("a"), &hash("b"), NOON).await.unwrap());
    assert!(change.delete_session(ours.id_hash).await.unwrap());

    let overtaking = {
        let (database, new) = (database.clone(), session(&ann));
        tokio::spawn(async move {
            let event = log_in_of(&new);
            let new = NewSession { session: &new, password_hash: &hash("a") };
            if has_event {
                database.alone().insert_session_with_event(new, &event).await.unwrap()
            } else {
                database.alone().insert_session(new).await.unwrap()
            }
        })
    };
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    assert!(!overtaking.is_finished(), "it waits for the change");
    change.commit().await.unwrap();
    assert!(!overtaking.await.unwrap(), "the old password opens no session");
    assert_eq!(database.alone().list_audit_events(9).await.unwrap(), []);
}

#[rstest]
#[tokio::test]
async fn a_session_and_the_event_that_tells_of_it_are_stored_both_or_neither(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, ours) = house(kind).await;
    let events = async || database.alone().list_audit_events(9).await.unwrap();
    let new = session(&ann);
    let event = log_in_of(&new);
    let insert = async |hash| {
        let new = NewSession { session: &new, password_hash: &hash };
        database.alone().insert_session_with_event(new, &event).await
    };
    assert!(!insert(hash("b")).await.unwrap(), "another password");
    assert_eq!(events().await, []);

    assert!(insert(hash("a")).await.unwrap());
    assert!(stored(&database, &new).await.secret_hash.matches(&secret(1)));
    assert_eq!(events().await, std::slice::from_ref(&event));

    // The id of the event is taken, and so there is no session either.
    let other = session(&ann);
    let with = NewSession { session: &other, password_hash: &hash("a") };
    assert!(database.alone().insert_session_with_event(with, &event).await.is_err());
    assert!(database.alone().find_session_with_user(other.id_hash).await.unwrap().is_none());

    // And the other way round.
    let second = log_in_of(&ours);
    let with = NewSession { session: &ours, password_hash: &hash("a") };
    assert!(database.alone().insert_session_with_event(with, &second).await.is_err());
    assert_eq!(events().await, [event]);

    // Within other work it is part of that.
    let mut work = database.begin().await.unwrap();
    let with = NewSession { session: &other, password_hash: &hash("a") };
    assert!(work.insert_session_with_event(with, &second).await.unwrap());
    drop(work);
    assert!(database.alone().find_session_with_user(other.id_hash).await.unwrap().is_none());
    assert_eq!(events().await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn the_current_secret_moves_everything_on_by_one(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, _, ours) = house(kind).await;
    database.alone().mark_secret_used(ours.id_hash, &secret(1), NOON).await.unwrap();
    let asked = rotation(&ours, secret(1), secret(2));
    let rotated = database.alone().rotate_secret(asked).await.unwrap().unwrap();
    for session in [&rotated, &*stored(&database, &ours).await] {
        assert!(session.secret_hash.matches(&secret(2)));
        assert!(session.previous_secret_hash.unwrap().matches(&secret(1)));
        assert_eq!((session.secret_rotated_at, session.secret_first_used_at), (asked.now, None));
        assert_eq!((session.last_seen_at, session.expires_at), (asked.now, asked.expires_at));
        assert_eq!(session.absolute_expires_at, ours.absolute_expires_at);
        assert!(session.csrf_token.matches(ours.csrf_token.as_str()));
    }
}

#[rstest]
#[tokio::test]
async fn the_current_secret_moves_on_without_a_reading_where_nothing_is_wrong_and_else_nothing_changes(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, _, ours) = house(kind).await;
    let csrf = ours.csrf_token.as_str();
    let asked = rotation(&ours, secret(1), secret(2));
    let at_the_end =
        Rotation { now: ours.expires_at, expires_at: ours.expires_at + Duration::days(1), ..asked };
    let of_another = Rotation { session: [0; 32].into(), ..asked };
    let with_another = Rotation { shown: secret(7), ..asked };
    for (refused, token) in
        [(asked, "another token"), (asked, ""), (at_the_end, csrf), (of_another, csrf), (with_another, csrf)]
    {
        assert!(database.alone().rotate_current_secret(refused, token).await.unwrap().is_none());
    }
    for change in ["UPDATE users SET is_disabled = $1", "UPDATE sessions SET is_revoked = $1"] {
        database.alone().write(change).bind(true).execute().await.unwrap();
        let refused = database.alone().rotate_current_secret(asked, csrf).await.unwrap();
        assert!(refused.is_none(), "{change}");
        database.alone().write(change).bind(false).execute().await.unwrap();
    }
    let unchanged = stored(&database, &ours).await;
    assert!(unchanged.secret_hash.matches(&secret(1)) && unchanged.previous_secret_hash.is_none());

    database.alone().mark_secret_used(ours.id_hash, &secret(1), NOON).await.unwrap();
    let beyond_the_end = Rotation { expires_at: ours.absolute_expires_at + Duration::days(1), ..asked };
    let rotated = database.alone().rotate_current_secret(beyond_the_end, csrf).await.unwrap().unwrap();
    assert_eq!((rotated.user.id, rotated.user.email.as_str()), (ours.user_id, "ann@example.com"));
    for session in [&*rotated.session, &*stored(&database, &ours).await] {
        assert!(session.secret_hash.matches(&secret(2)));
        assert!(session.previous_secret_hash.unwrap().matches(&secret(1)));
        assert_eq!((session.secret_rotated_at, session.secret_first_used_at), (asked.now, None));
        assert_eq!((session.last_seen_at, session.expires_at), (asked.now, ours.absolute_expires_at));
        assert_eq!(session.absolute_expires_at, ours.absolute_expires_at);
        assert!(session.csrf_token.matches(csrf));
    }
    // What was the current one is the one before it now, which takes a reading.
    assert!(database.alone().rotate_current_secret(asked, csrf).await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn the_previous_secret_moves_nothing_and_is_taken_only_while_it_is_honoured(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, _, ours) = house(kind).await;
    let asked = rotation(&ours, secret(1), secret(2));
    let first = database.alone().rotate_secret(asked).await.unwrap().unwrap();
    let later = Rotation {
        now: asked.now + Duration::hours(1),
        expires_at: asked.expires_at + Duration::hours(1),
        ..asked
    };
    let again = database.alone().rotate_secret(later).await.unwrap().unwrap();
    assert!(again.secret_hash.matches(&secret(2)) && again.previous_secret_hash.unwrap().matches(&secret(1)));
    assert_eq!((again.secret_rotated_at, again.expires_at), (first.secret_rotated_at, first.expires_at));

    let wrong_successor = Rotation { next: secret(9), ..later };
    assert!(database.alone().rotate_secret(wrong_successor).await.unwrap().is_none());

    database.alone().mark_secret_used(ours.id_hash, &secret(2), later.now).await.unwrap();
    let inside = Rotation { grace_start: later.now - Duration::microseconds(1), ..later };
    assert!(database.alone().rotate_secret(inside).await.unwrap().is_some());
    let outside = Rotation { grace_start: later.now, ..later };
    assert!(database.alone().rotate_secret(outside).await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn thirty_rotations_at_once_agree(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (test, database, _, ours) = house(kind).await;
    // Two servers.
    let databases = [database, test.connect().await];
    let asked = rotation(&ours, secret(1), secret(2));
    let rotations: Vec<_> = (0..30)
        .map(|number| {
            let database = databases[number % 2].clone();
            tokio::spawn(async move { database.alone().rotate_secret(asked).await.unwrap() })
        })
        .collect();
    for rotated in rotations {
        let session = rotated.await.unwrap().expect("none is refused");
        assert!(session.secret_hash.matches(&secret(2)));
        assert!(session.previous_secret_hash.unwrap().matches(&secret(1)));
    }
}

#[rstest]
#[tokio::test]
async fn a_session_that_is_over_or_whose_user_is_disabled_does_not_rotate(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, _, ours) = house(kind).await;
    let asked = rotation(&ours, secret(1), secret(2));
    let at_the_end =
        Rotation { now: ours.expires_at, expires_at: ours.expires_at + Duration::days(1), ..asked };
    assert!(database.alone().rotate_secret(at_the_end).await.unwrap().is_none());
    assert!(
        database
            .alone()
            .rotate_secret(Rotation { session: [0; 32].into(), ..asked })
            .await
            .unwrap()
            .is_none()
    );
    assert!(database.alone().rotate_secret(Rotation { shown: secret(7), ..asked }).await.unwrap().is_none());
    for (change, undo) in
        [("UPDATE users SET is_disabled = $1", true), ("UPDATE sessions SET is_revoked = $1", false)]
    {
        database.alone().write(change).bind(true).execute().await.unwrap();
        assert!(database.alone().rotate_secret(asked).await.unwrap().is_none(), "{change}");
        if undo {
            database.alone().write(change).bind(false).execute().await.unwrap();
        }
    }
    assert!(stored(&database, &ours).await.secret_hash.matches(&secret(1)));
}

#[rstest]
#[tokio::test]
async fn the_first_use_is_noted_once_and_of_the_current_secret_only(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, _, ours) = house(kind).await;
    let later = NOON + Duration::seconds(1);
    database.alone().mark_secret_used(ours.id_hash, &secret(9), later).await.unwrap();
    assert!(stored(&database, &ours).await.secret_first_used_at.is_none());
    database.alone().mark_secret_used(ours.id_hash, &secret(1), later).await.unwrap();
    database.alone().mark_secret_used(ours.id_hash, &secret(1), later + Duration::hours(1)).await.unwrap();
    let session = stored(&database, &ours).await;
    assert_eq!((session.secret_first_used_at, session.last_seen_at), (Some(later), later));
}

#[rstest]
#[tokio::test]
async fn only_a_stale_secret_revokes_and_only_once(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, _, ours) = house(kind).await;
    let asked = rotation(&ours, secret(1), secret(2));
    database.alone().rotate_secret(asked).await.unwrap().unwrap();
    let revoke = async |shown, grace_start| {
        database.alone().revoke_replayed_session(ours.id_hash, &secret(shown), grace_start).await.unwrap()
    };
    assert!(!revoke(2, NOON).await, "the current secret");
    assert!(!revoke(1, NOON).await, "the previous one, before the current one was used");
    database.alone().mark_secret_used(ours.id_hash, &secret(2), NOON).await.unwrap();
    assert!(!revoke(1, NOON - Duration::microseconds(1)).await, "the previous one, within the grace");
    assert!(!stored(&database, &ours).await.is_revoked);
    assert!(revoke(1, NOON).await, "the previous one, beyond the grace");
    assert!(stored(&database, &ours).await.is_revoked);
    assert!(!revoke(0, NOON).await, "a session that is over is not ended again");
}

#[rstest]
#[tokio::test]
async fn an_unknown_secret_revokes_a_session_that_was_never_refreshed(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, _, ours) = house(kind).await;
    assert!(database.alone().revoke_replayed_session(ours.id_hash, &secret(7), NOON).await.unwrap());
}

#[rstest]
#[tokio::test]
async fn a_session_is_deleted_once(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, _, ours) = house(kind).await;
    assert!(database.alone().delete_session(ours.id_hash).await.unwrap());
    assert!(!database.alone().delete_session(ours.id_hash).await.unwrap());
    assert!(database.alone().find_session_with_user(ours.id_hash).await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn the_old_secret_cannot_rotate_twice(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, _, ours) = house(kind).await;
    let first = rotation(&ours, secret(1), secret(2));
    database.alone().rotate_secret(first).await.unwrap().unwrap();
    database.alone().rotate_secret(rotation(&ours, secret(2), secret(3))).await.unwrap().unwrap();
    for grace_start in [first.grace_start, NOON - Duration::days(1)] {
        let again = Rotation { grace_start, ..first };
        assert!(database.alone().rotate_secret(again).await.unwrap().is_none());
    }
    let session = stored(&database, &ours).await;
    assert!(session.secret_hash.matches(&secret(3)));
    assert!(session.previous_secret_hash.unwrap().matches(&secret(2)));
}

#[rstest]
#[tokio::test]
async fn a_public_id_that_exists_is_an_error_too(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, ours) = house(kind).await;
    let mut planted = session(&ann);
    planted.public_id = ours.public_id;
    let new = NewSession { session: &planted, password_hash: &hash("a") };
    assert!(database.alone().insert_session(new).await.is_err());
    assert!(database.alone().find_session_with_user(planted.id_hash).await.unwrap().is_none());
    assert_eq!(stored(&database, &ours).await.public_id, ours.public_id);
}

#[rstest]
#[tokio::test]
async fn a_user_without_a_password_gets_no_session(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    let bob = user("bob@example.com");
    assert_eq!(database.alone().insert_user(&bob, None).await.unwrap(), Inserted::New);
    let new = session(&bob);
    let new = NewSession { session: &new, password_hash: &hash("a") };
    assert!(!database.alone().insert_session(new).await.unwrap());
}

#[rstest]
#[tokio::test]
async fn a_password_change_sees_the_session_that_was_stored_before_it(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (test, database, ann, _) = house(kind).await;
    let mut log_in = database.begin().await.unwrap();
    let new = session(&ann);
    let new = NewSession { session: &new, password_hash: &hash("a") };
    assert!(log_in.insert_session(new).await.unwrap());

    let changing = {
        let database = test.connect().await;
        tokio::spawn(async move {
            let mut change = database.begin().await.unwrap();
            assert!(change.replace_password_hash(ann.id, &hash("a"), &hash("b"), NOON).await.unwrap());
            let ended = change.write("DELETE FROM sessions").execute().await.unwrap();
            change.commit().await.unwrap();
            ended
        })
    };
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    assert!(!changing.is_finished(), "it waits for the log-in");
    log_in.commit().await.unwrap();
    assert_eq!(changing.await.unwrap(), 2, "the one from before and the one that was being stored");
}

#[rstest]
#[tokio::test]
async fn of_twenty_replays_at_once_one_ends_the_session(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (test, database, _, ours) = house(kind).await;
    let databases = [database, test.connect().await];
    let replays: Vec<_> = (0..20)
        .map(|number| {
            let (database, id) = (databases[number % 2].clone(), ours.id_hash);
            tokio::spawn(async move {
                database.alone().revoke_replayed_session(id, &secret(7), NOON).await.unwrap()
            })
        })
        .collect();
    let mut ended = 0;
    for replay in replays {
        ended += usize::from(replay.await.unwrap());
    }
    assert_eq!(ended, 1);
}

#[rstest]
#[tokio::test]
async fn the_end_of_a_session_wins_over_rotations_in_any_order(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
    #[values(true, false)] is_log_out: bool,
) {
    let (test, database, _, ours) = house(kind).await;
    let databases = [database, test.connect().await];
    let asked = rotation(&ours, secret(1), secret(2));
    let all: Vec<_> = (0..12)
        .map(|number| {
            let (database, id) = (databases[number % 2].clone(), ours.id_hash);
            tokio::spawn(async move {
                let mut alone = database.alone();
                let is_done = match number {
                    5 if is_log_out => alone.delete_session(id).await.unwrap(),
                    5 => alone.revoke_replayed_session(id, &secret(7), NOON).await.unwrap(),
                    _ => alone.rotate_secret(asked).await.is_ok(),
                };
                assert!(is_done, "number {number}");
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    for shown in [asked, rotation(&ours, secret(2), secret(3))] {
        assert!(databases[0].alone().rotate_secret(shown).await.unwrap().is_none());
    }
    let left = databases[1].alone().find_session_with_user(ours.id_hash).await.unwrap();
    assert!(left.is_none_or(|left| left.session.is_revoked && !is_log_out));
}

#[rstest]
#[tokio::test]
async fn sessions_of_a_user_are_listed_and_removed_and_nobody_elses(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, first) = house(kind).await;
    let bob = user("bob@example.com");
    assert_eq!(database.alone().insert_user(&bob, Some(&hash("b"))).await.unwrap(), Inserted::New);
    let mut alone = database.alone();
    let at = |hours| NOON + Duration::hours(hours);
    let second = Session { last_seen_at: at(1), ..session(&ann) };
    let revoked = Session { is_revoked: true, ..session(&ann) };
    let expired = Session { expires_at: at(2), ..session(&ann) };
    let bobs = session(&bob);
    for (session, mark) in [(&second, "a"), (&revoked, "a"), (&expired, "a"), (&bobs, "b")] {
        let new = NewSession { session, password_hash: &hash(mark) };
        assert!(alone.insert_session(new).await.unwrap());
    }
    let ids =
        |sessions: Vec<Session>| sessions.into_iter().map(|session| session.public_id).collect::<Vec<_>>();
    let listed = ids(alone.list_sessions(ann.id, at(2), 10).await.unwrap());
    assert_eq!(listed, [second.public_id, first.public_id]);
    assert_eq!(ids(alone.list_sessions(ann.id, at(2), 1).await.unwrap()), [second.public_id]);
    assert_eq!(alone.count_sessions_of(ann.id, at(2)).await.unwrap(), 2, "those that could be listed");
    assert_eq!(alone.count_sessions_of(bob.id, at(2)).await.unwrap(), 1);
    let days = alone.count_sessions_by_days(NOON).await.unwrap();
    assert!(days.iter().all(|days| days.first == NOON.date() && days.last >= days.first), "{days:?}");
    assert!(days.iter().map(|days| days.count).sum::<u64>() >= 3);
    assert!(alone.count_sessions_by_days(NOON + Duration::days(4000)).await.unwrap().is_empty());

    assert!(!alone.delete_session_of(bob.id, first.public_id).await.unwrap());
    assert!(alone.delete_session_of(ann.id, first.public_id).await.unwrap());
    assert!(!alone.delete_session_of(ann.id, first.public_id).await.unwrap());
    assert_eq!(alone.delete_sessions_of(ann.id, Some(second.id_hash)).await.unwrap(), 2);
    assert_eq!(ids(alone.list_sessions(ann.id, NOON, 10).await.unwrap()), [second.public_id]);
    assert_eq!(alone.delete_sessions_of(ann.id, None).await.unwrap(), 1);
    assert_eq!(alone.list_sessions(bob.id, NOON, 10).await.unwrap().len(), 1);
}

#[rstest]
#[tokio::test]
async fn sessions_are_removed_long_after_they_were_over_and_revoked_ones_after_their_absolute_end(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, alive) = house(kind).await;
    let mut alone = database.alone();
    let over = Session { expires_at: NOON, ..session(&ann) };
    let revoked = Session { expires_at: NOON, is_revoked: true, ..session(&ann) };
    let also_over = Session { expires_at: NOON - Duration::SECOND, ..session(&ann) };
    for session in [&over, &revoked, &also_over] {
        let new = NewSession { session, password_hash: &hash("a") };
        assert!(alone.insert_session(new).await.unwrap());
    }
    let left = async || {
        let list = database.alone().list_every_session(ann.id, None, 10).await.unwrap();
        list.into_iter().map(|session| session.id_hash).collect::<HashSet<_>>()
    };
    assert_eq!(left().await.len(), 4, "those that are over too");
    let mut seen = HashSet::new();
    let mut below = None;
    while let [last] = &alone.list_every_session(ann.id, below, 1).await.unwrap()[..] {
        below = Some(last.public_id);
        assert!(seen.insert(last.id_hash));
    }
    assert_eq!(seen, left().await, "page by page");

    assert_eq!(alone.delete_old_sessions(NOON - Duration::SECOND, NOON, 10).await.unwrap(), 0);
    let later = NOON + Duration::SECOND;
    assert_eq!(alone.delete_old_sessions(later, later, 1).await.unwrap(), 1, "in batches");
    assert_eq!(alone.delete_old_sessions(later, later, 10).await.unwrap(), 1);
    assert_eq!(left().await, HashSet::from([alive.id_hash, revoked.id_hash]), "a replay is still told apart");
    let past_absolute_end = revoked.absolute_expires_at + Duration::SECOND;
    assert_eq!(alone.delete_old_sessions(later, past_absolute_end, 10).await.unwrap(), 1);
    assert_eq!(left().await, HashSet::from([alive.id_hash]));
}
