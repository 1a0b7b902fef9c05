use rstest::rstest;
use time::Duration;
use vestibule::models::{AuditEventKind, Client, CsrfProof, MailKind, Role, SessionEnded};
use vestibule::services::{Asked, LoggedIn, PresentedSession, RefreshError};
use vestibule_testkit::{DatabaseKind, House, PASSWORD, presented, reading, values, writing};

async fn refresh(house: &House, shown: &LoggedIn) -> Result<LoggedIn, RefreshError> {
    house.accounts.refresh(&writing(shown), &Client::default()).await
}

async fn check(house: &House, shown: &LoggedIn) -> bool {
    house.accounts.check_session(&reading(shown), Asked::role(Role::User)).await.is_ok()
}

#[rstest]
#[tokio::test]
async fn a_refresh_gives_the_next_secret_and_keeps_the_csrf_token(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let first = house.signed_up("ann").await;
    house.clock.advance(Duration::minutes(6));
    assert!(!check(&house, &first).await, "the access token is over");

    let second = refresh(&house, &first).await.unwrap();
    assert_ne!(*second.tokens.refresh, *first.tokens.refresh);
    assert_ne!(second.tokens.access, first.tokens.access);
    assert_eq!(second.tokens.csrf.as_str(), first.tokens.csrf.as_str());
    assert_eq!(second.session.id_hash, first.session.id_hash);
    assert!(check(&house, &second).await);
}

#[rstest]
#[tokio::test]
async fn whoever_shows_the_same_secret_gets_the_same_successor(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let other_server = house.second_server().await;
    let first = house.signed_up("ann").await;

    let at_once: Vec<_> = (0..30)
        .map(|number| {
            let house = if number % 2 == 0 { &house } else { &other_server };
            let (accounts, first) = (house.accounts.clone(), first.clone());
            tokio::spawn(async move { accounts.refresh(&writing(&first), &Client::default()).await })
        })
        .collect();
    let mut successors = Vec::new();
    for refreshed in at_once {
        successors.push(refreshed.await.unwrap().unwrap().tokens.refresh);
    }
    // And once more days later, as nobody has used the successor: its answer may have got lost.
    house.clock.advance(Duration::days(3));
    successors.push(refresh(&house, &first).await.unwrap().tokens.refresh);
    assert!(successors.iter().all(|successor| **successor == *successors[0]));
    assert!(house.outbox_kinds().await == [MailKind::ConfirmEmail], "nobody was taken for a thief");
}

#[rstest]
#[tokio::test]
async fn the_previous_secret_is_honoured_until_the_current_one_is_used_and_ten_seconds_beyond(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let first = house.signed_up("ann").await;
    let second = refresh(&house, &first).await.unwrap();
    house.clock.advance(Duration::minutes(4));
    assert!(
        check(&house, &first).await,
        "a request with the previous secret, before the current one was used"
    );

    assert!(check(&house, &second).await);
    house.clock.advance(Duration::seconds(10) - Duration::microseconds(1));
    assert!(check(&house, &first).await, "under way for 10 s");
    let repeated = refresh(&house, &first).await.unwrap();
    assert_eq!(*repeated.tokens.refresh, *second.tokens.refresh);

    house.clock.advance(Duration::microseconds(1));
    assert!(!check(&house, &first).await, "10 s are over");
    assert!(check(&house, &second).await, "a stale secret on a request does not end the session");
    assert!(matches!(refresh(&house, &first).await, Err(RefreshError::Reused)));
    assert!(!check(&house, &second).await, "a stale secret on a refresh does");
}

#[rstest]
#[tokio::test]
async fn the_grace_counts_to_when_a_request_began_to_arrive(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let first = house.signed_up("ann").await;
    // A large form begins to arrive with the first secret; meanwhile another tab refreshes and goes on.
    let received_at = Some(house.accounts.now());
    house.clock.advance(Duration::seconds(1));
    let second = refresh(&house, &first).await.unwrap();
    assert!(check(&house, &second).await);
    house.clock.advance(Duration::seconds(40));

    let slow = PresentedSession { received_at, ..writing(&first) };
    assert!(house.accounts.check_session(&slow, Asked::role(Role::User)).await.is_ok());
    let refreshed = house.accounts.refresh(&slow, &Client::default()).await.unwrap();
    assert_eq!(*refreshed.tokens.refresh, *second.tokens.refresh);
    assert!(
        matches!(refresh(&house, &first).await, Err(RefreshError::Reused)),
        "one that arrives now is a replay"
    );
}

#[rstest]
#[tokio::test]
async fn a_replayed_secret_ends_the_session_for_all_and_is_told_once(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let first = house.signed_up("ann").await;
    let elsewhere = house.log_in("ann@example.com", PASSWORD).await.unwrap();
    let second = refresh(&house, &first).await.unwrap();
    let third = refresh(&house, &second).await.unwrap();

    let thief = Client::new(Some("203.0.113.9".parse().unwrap()), Some("Thief/1"));
    let replayed = house.accounts.refresh(&writing(&first), &thief).await;
    assert!(matches!(replayed, Err(RefreshError::Reused)));

    for shown in [&first, &second, &third] {
        assert!(!check(&house, shown).await);
        let refused = refresh(&house, shown).await;
        assert!(matches!(refused, Err(RefreshError::SessionEnded(SessionEnded::Revoked))));
    }
    assert!(house.accounts.check_bearer(&third.tokens.access, Asked::role(Role::User)).await.is_err());
    assert!(check(&house, &elsewhere).await, "other sessions of the user live on");

    // The other session began with a log-in whose browser was new.
    let kinds = house.outbox_kinds().await;
    assert_eq!(kinds, [MailKind::ConfirmEmail, MailKind::NewLogIn, MailKind::RefreshReused]);
    assert_eq!(house.outbox().await[2].client, thief, "the mail can say from where");
    let replays = house.audit_kinds().await.into_iter().filter(|kind| *kind == AuditEventKind::RefreshReused);
    assert_eq!(replays.count(), 1);
}

#[rstest]
#[tokio::test]
async fn of_many_replays_at_once_one_is_told(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let first = house.signed_up("ann").await;
    let second = refresh(&house, &first).await.unwrap();
    refresh(&house, &second).await.unwrap();
    let replays: Vec<_> = (0..12)
        .map(|_| {
            let (accounts, first) = (house.accounts.clone(), first.clone());
            tokio::spawn(async move { accounts.refresh(&writing(&first), &Client::default()).await })
        })
        .collect();
    for replay in replays {
        assert!(replay.await.unwrap().is_err());
    }
    assert_eq!(house.outbox_kinds().await, [MailKind::ConfirmEmail, MailKind::RefreshReused]);
}

#[rstest]
#[tokio::test]
async fn the_idle_expiry_moves_and_the_absolute_one_never_does(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let first = house.signed_up("ann").await;
    let end = first.session.absolute_expires_at;
    let mut shown = first.clone();
    for _ in 0..4 {
        house.clock.advance(Duration::days(7) - Duration::seconds(1));
        shown = refresh(&house, &shown).await.unwrap();
        assert_eq!(shown.session.absolute_expires_at, end);
        assert!(shown.session.expires_at > house.accounts.now() && shown.session.expires_at <= end);
    }
    assert_eq!(shown.session.expires_at, end, "the last days are not a whole idle time");
    house.clock.advance(end - house.accounts.now());
    let refused = refresh(&house, &shown).await;
    assert!(matches!(refused, Err(RefreshError::SessionEnded(SessionEnded::Expired))));
}

#[rstest]
#[tokio::test]
async fn a_session_that_was_not_used_for_its_idle_time_has_expired(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    house.clock.advance(Duration::days(7));
    let refused = refresh(&house, &ann).await;
    assert!(matches!(refused, Err(RefreshError::SessionEnded(SessionEnded::Expired))));
}

#[rstest]
#[tokio::test]
async fn a_cookie_that_is_not_authentic_touches_nothing(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let (id_and_secret, mac) = ann.tokens.refresh.rsplit_once('.').unwrap();
    let other_mac: String = mac.chars().rev().collect();
    for cookie in ["", "a.b.c", mac, id_and_secret, &format!("{id_and_secret}.{other_mac}")] {
        let shown = PresentedSession { refresh: values(&[cookie]), ..writing(&ann) };
        let refused = house.accounts.refresh(&shown, &Client::default()).await;
        assert!(matches!(refused, Err(RefreshError::NotLoggedIn)), "{cookie:?}");
    }
    assert!(check(&house, &ann).await && refresh(&house, &ann).await.is_ok());
    assert_eq!(house.outbox_kinds().await, [MailKind::ConfirmEmail]);
}

#[rstest]
#[tokio::test]
async fn a_wrong_csrf_token_rotates_nothing(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let (ann, bob) = (house.signed_up("ann").await, house.signed_up("bob").await);
    let foreign = bob.tokens.csrf.as_str();
    for proof in [CsrfProof::Sent(None), CsrfProof::Sent(Some("")), CsrfProof::Sent(Some(foreign))] {
        let refused = house.accounts.refresh(&presented(&ann, proof), &Client::default()).await;
        assert!(matches!(refused, Err(RefreshError::CsrfFailed)), "{proof:?}");
    }
    let foreign_cookie = PresentedSession { csrf_cookies: values(&[foreign]), ..reading(&ann) };
    let refused = house.accounts.refresh(&foreign_cookie, &Client::default()).await;
    assert!(matches!(refused, Err(RefreshError::CsrfFailed)));

    let current = house.accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.unwrap();
    assert!(current.session.previous_secret_hash.is_none(), "nothing was rotated");
}

#[rstest]
#[tokio::test]
async fn a_disabled_user_cannot_refresh(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    house.set_disabled("ann@example.com", true).await;
    assert!(matches!(refresh(&house, &ann).await, Err(RefreshError::Forbidden)));
    house.set_disabled("ann@example.com", false).await;
    assert!(refresh(&house, &ann).await.is_ok());
}

#[rstest]
#[tokio::test]
async fn of_two_cookies_of_one_name_the_one_that_fits_is_used(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let first = house.signed_up("ann").await;
    let second = refresh(&house, &first).await.unwrap();
    let third = refresh(&house, &second).await.unwrap();
    let dead = house.log_in("ann@example.com", PASSWORD).await.unwrap();
    let current = house.accounts.check_session(&writing(&dead), Asked::role(Role::User)).await.unwrap();
    house.accounts.log_out(&current, &Client::default()).await.unwrap();

    // An old copy of this session, one of a dead session, and rubbish stand before the one that fits.
    let planted =
        ["rubbish", first.tokens.refresh.as_str(), dead.tokens.refresh.as_str(), &third.tokens.refresh];
    let shown = PresentedSession { refresh: values(&planted), ..writing(&third) };
    let refreshed = house.accounts.refresh(&shown, &Client::default()).await.unwrap();
    assert!(check(&house, &refreshed).await);
    assert!(!house.outbox_kinds().await.contains(&MailKind::RefreshReused));
}
