use rstest::rstest;
use vestibule::models::{EmailAddress, PersonName, User};
use vestibule::repository::{EmailReplaced, Inserted, Users};
use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::fixtures::{NOON, hash, house, user};

#[rstest]
#[tokio::test]
async fn a_user_is_found_as_they_were_stored(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let found = database.alone().find_credentials_by_email(&ann.email, None).await.unwrap().unwrap();
    assert_eq!((found.credentials.user, found.credentials.password_hash), (ann, Some(hash("a"))));
    let nobody = EmailAddress::parse("nobody@example.com").unwrap();
    assert!(database.alone().find_credentials_by_email(&nobody, None).await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn a_user_without_a_password_has_no_hash(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ..) = house(kind).await;
    let bob = user("bob@example.com");
    assert_eq!(database.alone().insert_user(&bob, None).await.unwrap(), Inserted::New);
    let found = database.alone().find_credentials_by_email(&bob.email, None).await.unwrap().unwrap();
    assert!(found.credentials.password_hash.is_none());
}

#[rstest]
#[tokio::test]
async fn an_address_is_taken_once_and_a_transaction_survives_finding_out(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut work = database.begin().await.unwrap();
    let impostor = user("ann@example.com");
    assert_eq!(work.insert_user(&impostor, Some(&hash("b"))).await.unwrap(), Inserted::AlreadyThere);
    assert_eq!(work.insert_user(&user("bob@example.com"), None).await.unwrap(), Inserted::New);
    work.commit().await.unwrap();
    let found = database.alone().find_credentials_by_email(&ann.email, None).await.unwrap().unwrap();
    assert_eq!((found.credentials.user.id, found.credentials.password_hash), (ann.id, Some(hash("a"))));
}

#[rstest]
#[tokio::test]
async fn of_twenty_at_once_one_gets_the_address(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move {
                let user = user("ann@example.com");
                database.alone().insert_user(&user, Some(&hash("a"))).await.unwrap()
            })
        })
        .collect();
    let mut new = 0;
    for attempt in attempts {
        new += usize::from(attempt.await.unwrap() == Inserted::New);
    }
    assert_eq!(new, 1);
}

#[rstest]
#[tokio::test]
async fn a_hash_is_replaced_only_while_it_is_the_one_that_was_seen(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let later = NOON + time::Duration::minutes(1);
    assert!(!database.alone().replace_password_hash(ann.id, &hash("x"), &hash("b"), later).await.unwrap());
    assert!(database.alone().replace_password_hash(ann.id, &hash("a"), &hash("b"), later).await.unwrap());
    assert!(!database.alone().replace_password_hash(ann.id, &hash("a"), &hash("c"), later).await.unwrap());
    let found = database.alone().find_credentials_by_email(&ann.email, None).await.unwrap().unwrap();
    assert_eq!(
        (found.credentials.password_hash, found.credentials.user.updated_at),
        (Some(hash("b")), later)
    );
}

#[rstest]
#[tokio::test]
async fn of_many_replacements_of_one_hash_one_holds(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (test, database, ann, _) = house(kind).await;
    let databases = [database, test.connect().await];
    let replacements: Vec<_> = ["b", "c", "d", "e", "f", "g", "h", "i"]
        .into_iter()
        .enumerate()
        .map(|(number, mark)| {
            let (database, id) = (databases[number % 2].clone(), ann.id);
            tokio::spawn(async move {
                database.alone().replace_password_hash(id, &hash("a"), &hash(mark), NOON).await.unwrap()
            })
        })
        .collect();
    let mut replaced = 0;
    for replacement in replacements {
        replaced += usize::from(replacement.await.unwrap());
    }
    assert_eq!(replaced, 1);
}

#[rstest]
#[tokio::test]
async fn an_id_that_exists_is_an_error_and_overwrites_nobody(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut impostor = user("eve@example.com");
    impostor.id = ann.id;
    assert!(database.alone().insert_user(&impostor, Some(&hash("b"))).await.is_err());
    let found = database.alone().find_credentials_by_email(&ann.email, None).await.unwrap().unwrap();
    assert_eq!((found.credentials.user, found.credentials.password_hash), (ann, Some(hash("a"))));
}

#[rstest]
#[tokio::test]
async fn a_row_that_a_model_refuses_is_told_by_table_and_column_without_its_value(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    // The database takes a name that turns the direction of text, the model does not.
    let turned = database.alone().write("UPDATE users SET name = $1").bind("nnA\u{202E}").execute().await;
    assert_eq!(turned.unwrap(), 1);
    let error = database.alone().find_credentials_by_email(&ann.email, None).await.unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("users.name") && !why.contains("nnA"), "{why}");
    assert!(!error.is_unavailable());
}

#[rstest]
#[tokio::test]
async fn an_address_is_confirmed_and_replaced_only_where_it_fits(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let bob = user("bob@example.com");
    assert_eq!(alone.insert_user(&bob, None).await.unwrap(), Inserted::New);
    let later = NOON + time::Duration::HOUR;
    assert!(alone.confirm_email(ann.id, &bob.email, later).await.unwrap().is_none());
    let confirmed = alone.confirm_email(ann.id, &ann.email, later).await.unwrap().unwrap();
    assert_eq!(confirmed, User { is_email_verified: true, updated_at: later, ..ann.clone() });

    let new = EmailAddress::parse("new@example.com").unwrap();
    assert_eq!(alone.replace_email(ann.id, &bob.email, later).await.unwrap(), EmailReplaced::Taken);
    let replaced = alone.replace_email(bob.id, &new, later).await.unwrap();
    let expected = User { email: new.clone(), is_email_verified: true, updated_at: later, ..bob.clone() };
    assert_eq!(replaced, EmailReplaced::Done(Box::new(expected)));
    let nobody = user("nobody@example.com");
    let free = EmailAddress::parse("free@example.com").unwrap();
    assert_eq!(alone.replace_email(nobody.id, &free, later).await.unwrap(), EmailReplaced::NoUser);
}

#[rstest]
#[tokio::test]
async fn of_two_who_want_an_address_at_once_one_gets_it(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let bob = user("bob@example.com");
    assert_eq!(database.alone().insert_user(&bob, None).await.unwrap(), Inserted::New);
    let attempts: Vec<_> = [ann.id, bob.id]
        .map(|id| {
            let database = database.clone();
            tokio::spawn(async move {
                let new = EmailAddress::parse("new@example.com").unwrap();
                match database.alone().replace_email(id, &new, NOON).await {
                    Ok(replaced) => matches!(replaced, EmailReplaced::Done(_)),
                    Err(error) => {
                        assert!(error.is_conflict(), "{error:?}");
                        false
                    }
                }
            })
        })
        .into();
    let mut won = 0;
    for attempt in attempts {
        won += usize::from(attempt.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[rstest]
#[tokio::test]
async fn names_passwords_and_users_change_as_asked(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, _) = house(kind).await;
    let mut alone = database.alone();
    let later = NOON + time::Duration::HOUR;
    let name = PersonName::parse("Ann Lee").unwrap();
    let renamed = alone.change_name(ann.id, &name, later).await.unwrap().unwrap();
    assert_eq!(renamed, User { name: name.clone(), updated_at: later, ..ann.clone() });
    assert!(alone.change_name(user("x@example.com").id, &name, later).await.unwrap().is_none());

    assert!(alone.reset_password(ann.id, &hash("b"), later).await.unwrap());
    let found = alone.find_credentials(ann.id).await.unwrap().unwrap();
    assert!(found.user.is_email_verified && found.password_hash == Some(hash("b")));
    assert!(!alone.lock_password(ann.id, &hash("a")).await.unwrap(), "the password changed since");
    assert!(alone.lock_password(ann.id, &hash("b")).await.unwrap());
    assert!(!alone.delete_user(ann.id, Some(&hash("a"))).await.unwrap(), "the password changed since");
    assert!(alone.delete_user(ann.id, Some(&hash("b"))).await.unwrap());
    assert!(alone.find_credentials(ann.id).await.unwrap().is_none());
    assert!(!alone.reset_password(ann.id, &hash("c"), later).await.unwrap());
}
