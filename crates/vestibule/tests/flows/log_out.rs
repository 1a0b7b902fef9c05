use rstest::rstest;
use vestibule::models::{AuditEventKind, Client, Role, SessionEnded};
use vestibule::services::{Asked, CheckError, RefreshError};
use vestibule_testkit::{DatabaseKind, House, PASSWORD, reading, writing};

#[rstest]
#[tokio::test]
async fn a_session_that_was_logged_out_is_dead_and_others_live(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let other = house.log_in("ann@example.com", PASSWORD).await.unwrap();
    let current = house.accounts.check_session(&writing(&ann), Asked::role(Role::User)).await.unwrap();
    house.accounts.log_out(&current, &Client::default()).await.unwrap();

    let checked = house.accounts.check_session(&reading(&ann), Asked::role(Role::User)).await;
    assert!(matches!(checked, Err(CheckError::SessionEnded(SessionEnded::Revoked))));
    let bearer = house.accounts.check_bearer(&ann.tokens.access, Asked::role(Role::User)).await;
    assert!(matches!(bearer, Err(CheckError::SessionEnded(SessionEnded::Revoked))));
    let refreshed = house.accounts.refresh(&writing(&ann), &Client::default()).await;
    assert!(matches!(refreshed, Err(RefreshError::SessionEnded(SessionEnded::Revoked))));
    assert!(house.accounts.check_session(&reading(&other), Asked::role(Role::User)).await.is_ok());
    assert_eq!(house.count_sessions().await, 1);
}

#[rstest]
#[tokio::test]
async fn logging_out_twice_is_audited_once(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    let ann = house.signed_up("ann").await;
    let current = house.accounts.check_session(&writing(&ann), Asked::role(Role::User)).await.unwrap();
    for _ in 0..2 {
        house.accounts.log_out(&current, &Client::default()).await.unwrap();
    }
    assert_eq!(house.audit_kinds().await, [AuditEventKind::SignedUp, AuditEventKind::LoggedOut]);
}

#[rstest]
#[tokio::test]
async fn a_log_out_that_races_a_refresh_leaves_nothing_alive(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let house = House::open(kind).await;
    for round in 0..8 {
        let ann = house.signed_up(&format!("ann{round}")).await;
        let current = house.accounts.check_session(&writing(&ann), Asked::role(Role::User)).await.unwrap();
        let (shown, client) = (writing(&ann), Client::default());
        let refresh = house.accounts.refresh(&shown, &client);
        let log_out = house.accounts.log_out(&current, &client);
        let (refreshed, logged_out) = tokio::join!(refresh, log_out);
        logged_out.unwrap();

        assert!(house.accounts.check_session(&reading(&ann), Asked::role(Role::User)).await.is_err());
        if let Ok(refreshed) = refreshed {
            assert!(
                house.accounts.check_session(&reading(&refreshed), Asked::role(Role::User)).await.is_err()
            );
            assert!(house.accounts.refresh(&writing(&refreshed), &client).await.is_err());
        }
    }
    assert_eq!(house.count_sessions().await, 0);
}
