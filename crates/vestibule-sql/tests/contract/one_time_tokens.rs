use rstest::rstest;
use time::Duration;
use vestibule::models::{ConfirmsEmail, EmailAddress, EmailToken, OneTimeTokenHash, ResetToken, User};
use vestibule::repository::{OneTimeTokens, Users};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};

use crate::fixtures::{NOON, hash, house, user};

fn email_token(number: u8, owner: &User, email: &str, replaces_email: bool) -> EmailToken {
    EmailToken {
        hash: [number; 32].into(),
        user_id: owner.id,
        email: EmailAddress::parse(email).unwrap(),
        replaces_email,
        expires_at: NOON + Duration::DAY,
        created_at: NOON,
    }
}

fn of(number: u8) -> OneTimeTokenHash<ConfirmsEmail> {
    [number; 32].into()
}

fn reset_token(number: u8, owner: &User) -> ResetToken {
    ResetToken {
        hash: [number; 32].into(),
        user_id: owner.id,
        expires_at: NOON + Duration::minutes(30),
        created_at: NOON,
    }
}

#[rstest]
#[tokio::test]
async fn a_token_is_found_while_it_is_good_and_redeemed_once(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    assert!(alone.put_email_token(&email_token(1, &ann, "ann@example.com", false)).await.unwrap());
    let found = alone.find_email_token(of(1), NOON).await.unwrap().unwrap();
    assert_eq!((found.owner.user, found.owner.password_hash), (ann.clone(), Some(hash("a"))));
    assert_eq!((found.token.email, found.token.replaces_email), (ann.email.clone(), false));
    assert_eq!((found.token.expires_at, found.token.created_at), (NOON + Duration::DAY, NOON));
    let over = NOON + Duration::DAY;
    assert!(alone.find_email_token(of(1), over).await.unwrap().is_none());
    assert!(alone.redeem_email_token(of(1), over).await.unwrap().is_none());
    assert!(alone.redeem_email_token(of(2), NOON).await.unwrap().is_none());
    assert_eq!(alone.redeem_email_token(of(1), NOON).await.unwrap().unwrap().user_id, ann.id);
    assert!(alone.redeem_email_token(of(1), NOON).await.unwrap().is_none());

    assert!(alone.put_reset_token(&reset_token(1, &ann)).await.unwrap());
    let over = NOON + Duration::minutes(30);
    assert_eq!(alone.find_reset_token([1; 32].into(), NOON).await.unwrap().unwrap().user.id, ann.id);
    assert!(alone.find_reset_token([1; 32].into(), over).await.unwrap().is_none());
    assert!(alone.redeem_reset_token([1; 32].into(), over).await.unwrap().is_none());
    assert_eq!(alone.redeem_reset_token([1; 32].into(), NOON).await.unwrap(), Some(ann.id));
    assert!(alone.redeem_reset_token([1; 32].into(), NOON).await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn of_twenty_at_once_one_redeems(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    database.alone().put_email_token(&email_token(1, &ann, "ann@example.com", false)).await.unwrap();
    database.alone().put_reset_token(&reset_token(1, &ann)).await.unwrap();
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move {
                let email = database.alone().redeem_email_token(of(1), NOON).await.unwrap().is_some();
                let reset =
                    database.alone().redeem_reset_token([1; 32].into(), NOON).await.unwrap().is_some();
                (usize::from(email), usize::from(reset))
            })
        })
        .collect();
    let mut won = (0, 0);
    for attempt in attempts {
        let (email, reset) = attempt.await.unwrap();
        won = (won.0 + email, won.1 + reset);
    }
    assert_eq!(won, (1, 1));
}

#[rstest]
#[tokio::test]
async fn a_new_token_ends_the_one_before_it_of_its_kind(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    for (number, email, replaces) in
        [(1, "ann@example.com", false), (2, "new@example.com", true), (3, "newer@example.com", true)]
    {
        assert!(alone.put_email_token(&email_token(number, &ann, email, replaces)).await.unwrap());
    }
    let is_good = async |number| database.alone().find_email_token(of(number), NOON).await.unwrap().is_some();
    assert!(is_good(1).await && !is_good(2).await && is_good(3).await);
    alone.put_reset_token(&reset_token(1, &ann)).await.unwrap();
    alone.put_reset_token(&reset_token(2, &ann)).await.unwrap();
    assert!(alone.find_reset_token([1; 32].into(), NOON).await.unwrap().is_none());
    alone.end_email_tokens(ann.id).await.unwrap();
    alone.end_reset_tokens(ann.id).await.unwrap();
    assert!(!is_good(1).await && !is_good(3).await);
    assert!(alone.find_reset_token([2; 32].into(), NOON).await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn no_token_is_put_where_it_makes_no_sense(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let bob = user("bob@example.com");
    let _ = alone.insert_user(&bob, None).await.unwrap();
    for (email, replaces, why) in [
        ("other@example.com", false, "not the user's address"),
        ("bob@example.com", true, "somebody has the address"),
        ("ann@example.com", true, "they have it themselves"),
    ] {
        assert!(!alone.put_email_token(&email_token(1, &ann, email, replaces)).await.unwrap(), "{why}");
    }
    alone.confirm_email(ann.id, &ann.email, NOON).await.unwrap().unwrap();
    assert!(!alone.put_email_token(&email_token(1, &ann, "ann@example.com", false)).await.unwrap());
    let nobody = user("nobody@example.com");
    assert!(!alone.put_reset_token(&reset_token(1, &nobody)).await.unwrap());
    alone.write("UPDATE users SET is_disabled = $1").bind(true).execute().await.unwrap();
    assert!(!alone.put_reset_token(&reset_token(1, &ann)).await.unwrap());
    assert!(!alone.put_email_token(&email_token(1, &ann, "new@example.com", true)).await.unwrap());
}

#[rstest]
#[tokio::test]
async fn expired_tokens_are_removed_in_batches(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    alone.put_email_token(&email_token(1, &ann, "ann@example.com", false)).await.unwrap();
    alone.put_email_token(&email_token(2, &ann, "new@example.com", true)).await.unwrap();
    alone.put_reset_token(&reset_token(1, &ann)).await.unwrap();
    assert_eq!(alone.delete_expired_tokens(NOON, 1).await.unwrap(), 0);
    let over = NOON + Duration::DAY;
    assert_eq!(alone.delete_expired_tokens(over, 1).await.unwrap(), 1);
    assert_eq!(alone.delete_expired_tokens(over, 1).await.unwrap(), 1);
    assert_eq!(alone.delete_expired_tokens(over, 1).await.unwrap(), 0);
}
