use rstest::rstest;
use time::Duration;
use vestibule::models::{Client, CsrfProof, Role, SessionEnded};
use vestibule::services::{Asked, CheckError, PresentedSession};
use vestibule_testkit::{DatabaseKind, House, presented, reading, values, writing};

#[rstest]
#[tokio::test]
async fn the_first_failure_answers_in_the_order_of_the_check(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let (ann, bob) = (house.signed_up("ann").await, house.signed_up("bob").await);
    let check = async |shown: PresentedSession<'_>, role| house.accounts.check_session(&shown, role).await;

    let nothing = PresentedSession { access: values(&[]), refresh: values(&[]), ..reading(&ann) };
    assert!(matches!(check(nothing, Asked::role(Role::User)).await, Err(CheckError::NotLoggedIn)));
    // 1: the access token.
    let no_access =
        PresentedSession { access: values(&[]), csrf_cookies: values(&["wrong"]), ..reading(&ann) };
    assert!(matches!(check(no_access, Asked::role(Role::Admin)).await, Err(CheckError::AccessTokenExpired)));
    let forged = PresentedSession { access: values(&["a.b.c"]), refresh: values(&[]), ..reading(&ann) };
    assert!(matches!(check(forged, Asked::role(Role::User)).await, Err(CheckError::NotLoggedIn)));
    // 3: the refresh cookie, of the same session.
    let no_refresh =
        PresentedSession { refresh: values(&[]), csrf_cookies: values(&["wrong"]), ..reading(&ann) };
    assert!(matches!(check(no_refresh, Asked::role(Role::Admin)).await, Err(CheckError::NotLoggedIn)));
    let of_bob = PresentedSession { refresh: values(&[&bob.tokens.refresh]), ..reading(&ann) };
    assert!(matches!(check(of_bob, Asked::role(Role::User)).await, Err(CheckError::NotLoggedIn)));
    // 4: the CSRF token.
    for shown in [
        PresentedSession { csrf_cookies: values(&["wrong"]), ..reading(&ann) },
        presented(&ann, CsrfProof::Sent(None)),
        presented(&ann, CsrfProof::Sent(Some(bob.tokens.csrf.as_str()))),
        PresentedSession { csrf_cookies: values(&[]), ..writing(&ann) },
    ] {
        assert!(matches!(check(shown, Asked::role(Role::Admin)).await, Err(CheckError::CsrfFailed)));
    }
    // 5: the user.
    assert!(matches!(check(writing(&ann), Asked::role(Role::Admin)).await, Err(CheckError::Forbidden)));
    house.set_disabled("ann@example.com", true).await;
    assert!(matches!(check(writing(&ann), Asked::role(Role::User)).await, Err(CheckError::Forbidden)));
    house.set_disabled("ann@example.com", false).await;
    assert!(check(writing(&ann), Asked::role(Role::User)).await.is_ok());
}

#[rstest]
#[tokio::test]
async fn an_access_token_without_its_session_is_worth_nothing(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    house.database.alone().write("DELETE FROM users").execute().await.unwrap();
    let checked = house.accounts.check_session(&reading(&ann), Asked::role(Role::User)).await;
    assert!(matches!(checked, Err(CheckError::SessionEnded(SessionEnded::Revoked))));
    let bearer = house.accounts.check_bearer(&ann.tokens.access, Asked::role(Role::User)).await;
    assert!(matches!(bearer, Err(CheckError::SessionEnded(SessionEnded::Revoked))));
}

#[rstest]
#[tokio::test]
async fn a_bearer_needs_the_token_alone_until_it_expires(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let token = &ann.tokens.access;
    assert_eq!(*house.accounts.check_bearer(token, Asked::role(Role::User)).await.unwrap().user, ann.user);
    assert!(matches!(
        house.accounts.check_bearer(token, Asked::role(Role::Admin)).await,
        Err(CheckError::Forbidden)
    ));
    assert!(matches!(
        house.accounts.check_bearer(&ann.tokens.refresh, Asked::role(Role::User)).await,
        Err(CheckError::NotLoggedIn)
    ));
    house.set_disabled("ann@example.com", true).await;
    assert!(matches!(
        house.accounts.check_bearer(token, Asked::role(Role::User)).await,
        Err(CheckError::Forbidden)
    ));
    house.set_disabled("ann@example.com", false).await;
    house.clock.advance(Duration::minutes(5));
    assert!(matches!(
        house.accounts.check_bearer(token, Asked::role(Role::User)).await,
        Err(CheckError::NotLoggedIn)
    ));
}

#[rstest]
#[tokio::test]
async fn a_change_of_role_holds_from_the_next_request(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    for (role, may) in [("admin", true), ("user", false), ("admin", true)] {
        let change = "UPDATE users SET role = $1";
        house.database.alone().write(change).bind(role).execute().await.unwrap();
        assert_eq!(house.accounts.check_session(&reading(&ann), Asked::role(Role::Admin)).await.is_ok(), may);
        assert!(house.accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.is_ok());
    }
}

#[rstest]
#[tokio::test]
async fn planted_cookies_before_the_right_ones_lock_nobody_out(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let (ann, eve) = (house.signed_up("ann").await, house.signed_up("eve").await);
    let shown = PresentedSession {
        access: values(&["rubbish", &eve.tokens.access, &ann.tokens.access]),
        refresh: values(&["rubbish", &ann.tokens.refresh]),
        csrf_cookies: values(&[eve.tokens.csrf.as_str(), ann.tokens.csrf.as_str()]),
        csrf: CsrfProof::Sent(Some(ann.tokens.csrf.as_str())),
        received_at: None,
        devices: values(&[]),
    };
    assert_eq!(*house.accounts.check_session(&shown, Asked::role(Role::User)).await.unwrap().user, ann.user);

    let too_many = PresentedSession {
        access: values(&["rubbish", "rubbish", "rubbish", "rubbish", &ann.tokens.access]),
        ..shown
    };
    let checked = house.accounts.check_session(&too_many, Asked::role(Role::User)).await;
    assert!(matches!(checked, Err(CheckError::AccessTokenExpired)), "only the first few are looked at");
}

#[rstest]
#[tokio::test]
async fn a_lost_csrf_cookie_is_noticed_on_reading(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let lost = PresentedSession { csrf_cookies: values(&[]), ..reading(&ann) };
    assert!(
        house.accounts.check_session(&lost, Asked::role(Role::User)).await.unwrap().is_csrf_cookie_missing
    );
    assert!(
        !house
            .accounts
            .check_session(&reading(&ann), Asked::role(Role::User))
            .await
            .unwrap()
            .is_csrf_cookie_missing
    );
}

#[rstest]
#[tokio::test]
async fn a_session_holds_on_every_server_and_ends_on_every_server(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let other = house.second_server().await;
    let ann = house.signed_up("ann").await;
    let current = other.accounts.check_session(&writing(&ann), Asked::role(Role::User)).await.unwrap();
    other.accounts.log_out(&current, &Client::default()).await.unwrap();
    assert!(house.accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.is_err());
}

#[rstest]
#[tokio::test]
async fn a_strangers_whole_session_planted_before_ones_own_locks_nobody_out(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let (ann, eve) = (house.signed_up("ann").await, house.signed_up("eve").await);
    let shown = PresentedSession {
        access: values(&[&eve.tokens.access, &ann.tokens.access]),
        refresh: values(&[&eve.tokens.refresh, &ann.tokens.refresh]),
        csrf_cookies: values(&[eve.tokens.csrf.as_str(), ann.tokens.csrf.as_str()]),
        csrf: CsrfProof::Sent(Some(ann.tokens.csrf.as_str())),
        received_at: None,
        devices: values(&[]),
    };
    assert_eq!(*house.accounts.check_session(&shown, Asked::role(Role::User)).await.unwrap().user, ann.user);
    assert_eq!(house.accounts.refresh(&shown, &Client::default()).await.unwrap().user, ann.user);

    let of_neither = PresentedSession { csrf: CsrfProof::Sent(Some("wrong")), ..shown };
    let checked = house.accounts.check_session(&of_neither, Asked::role(Role::User)).await;
    assert!(matches!(checked, Err(CheckError::CsrfFailed)));
    let current = house.accounts.check_session(&reading(&eve), Asked::role(Role::User)).await.unwrap();
    assert!(current.session.previous_secret_hash.is_none(), "the stranger's session was not refreshed");
}
