use rstest::rstest;
use time::Duration;
use vestibule::models::{EmailAddress, Invitation, InvitationId, InvitesToSignUp, OneTimeTokenHash, Role};
use vestibule::repository::Invitations;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};

use crate::fixtures::{NOON, house, random};

fn of(number: u8) -> OneTimeTokenHash<InvitesToSignUp> {
    [number; 32].into()
}

fn invitation(number: u8, email: Option<&str>) -> Invitation {
    let created_at = NOON + Duration::milliseconds(number.into());
    Invitation {
        id: InvitationId::new(created_at, random()),
        hash: of(number),
        email: email.map(|email| EmailAddress::parse(email).unwrap()),
        role: "editor".parse().unwrap(),
        created_at,
        expires_at: NOON + Duration::days(i64::from(number)),
    }
}

#[rstest]
#[tokio::test]
async fn an_invitation_is_found_while_it_is_good_and_redeemed_once(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    alone.insert_invitation(&invitation(1, Some("ann@example.com"))).await.unwrap();
    let found = alone.find_invitation(of(1), NOON).await.unwrap().unwrap();
    assert_eq!(found.email, Some(EmailAddress::parse("ann@example.com").unwrap()));
    assert_eq!(found.role, "editor".parse::<Role>().unwrap());
    assert_eq!(found.expires_at, NOON + Duration::DAY);
    let over = NOON + Duration::DAY;
    assert!(alone.find_invitation(of(1), over).await.unwrap().is_none());
    assert!(!alone.redeem_invitation(of(1), over).await.unwrap());
    assert!(!alone.redeem_invitation(of(2), NOON).await.unwrap());
    assert!(alone.redeem_invitation(of(1), NOON).await.unwrap());
    assert!(!alone.redeem_invitation(of(1), NOON).await.unwrap());
    assert!(alone.find_invitation(of(1), NOON).await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn of_twenty_at_once_one_redeems_an_invitation(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ..) = house(kind).await;
    database.alone().insert_invitation(&invitation(1, None)).await.unwrap();
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move { database.alone().redeem_invitation(of(1), NOON).await.unwrap() })
        })
        .collect();
    let mut won = 0;
    for attempt in attempts {
        won += usize::from(attempt.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[rstest]
#[tokio::test]
async fn invitations_are_listed_newest_first_revoked_and_removed_when_over(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    let mut alone = database.alone();
    let all = [1, 2, 3].map(|number| invitation(number, None));
    for invitation in &all {
        alone.insert_invitation(invitation).await.unwrap();
    }
    let ids = async |now| {
        let listed = database.alone().list_invitations(now, None, 10).await.unwrap();
        listed.into_iter().map(|invitation| invitation.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(NOON).await, [all[2].id, all[1].id, all[0].id]);
    assert_eq!(ids(NOON + Duration::DAY).await, [all[2].id, all[1].id]);
    assert_eq!(alone.list_invitations(NOON, None, 1).await.unwrap().len(), 1);
    let rest = alone.list_invitations(NOON, Some(all[2].id), 10).await.unwrap();
    assert_eq!(rest.iter().map(|invitation| invitation.id).collect::<Vec<_>>(), [all[1].id, all[0].id]);
    assert!(alone.delete_invitation(all[2].id).await.unwrap());
    assert!(!alone.delete_invitation(all[2].id).await.unwrap());
    assert_eq!(ids(NOON).await, [all[1].id, all[0].id]);
    assert_eq!(alone.delete_expired_invitations(NOON, 1).await.unwrap(), 0);
    let over = NOON + Duration::days(2);
    assert_eq!(alone.delete_expired_invitations(over, 1).await.unwrap(), 1);
    assert_eq!(alone.delete_expired_invitations(over, 10).await.unwrap(), 1);
    assert_eq!(ids(NOON).await, []);
}
