use rstest::rstest;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use vestibule::models::{
    AcmeChallenge, CertificateName, OrderLease, SealedAcmeAccount, SealedCertificate, SealedSecret, SecretKey,
};
use vestibule::repository::Certificates;
use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::fixtures::{NOON, random};

const AUTHORITY: &str = "https://authority.example/directory";

fn name(names: &str) -> CertificateName {
    CertificateName { authority: AUTHORITY.to_owned(), names: names.to_owned() }
}

fn sealed() -> SealedSecret {
    SealedSecret::seal(b"a key", "example.com", &SecretKey::generate(random()).derive(), random())
}

fn certificate(names: &str, expires_at: OffsetDateTime) -> SealedCertificate {
    SealedCertificate {
        name: name(names),
        chain: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned(),
        private_key: sealed(),
        issued_at: NOON,
        expires_at,
    }
}

#[rstest]
#[tokio::test]
async fn a_certificate_takes_the_place_of_the_one_of_its_name_and_the_longest_comes_first(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let [day, week] = [Duration::DAY, Duration::WEEK].map(|lifetime| NOON + lifetime);
    let (first, renewed, other) =
        (certificate("a.example", day), certificate("a.example", week), certificate("b.example", day));
    let elsewhere = SealedCertificate {
        name: CertificateName { authority: "https://other.example/".to_owned(), ..name("a.example") },
        ..first.clone()
    };
    for certificate in [&first, &other, &elsewhere, &renewed] {
        database.alone().replace_certificate(certificate).await.unwrap();
    }
    assert_eq!(
        database.alone().list_certificates(AUTHORITY).await.unwrap(),
        [renewed.clone(), other.clone()]
    );

    let anew = SealedCertificate { private_key: sealed(), ..renewed.clone() };
    assert!(database.alone().replace_sealed_certificate_key(&renewed, &anew).await.unwrap());
    assert!(!database.alone().replace_sealed_certificate_key(&renewed, &anew).await.unwrap());
    assert_eq!(database.alone().list_certificates(AUTHORITY).await.unwrap(), [anew.clone(), other]);

    assert_eq!(database.alone().delete_certificates_over_before(day).await.unwrap(), 0);
    assert_eq!(database.alone().delete_certificates_over_before(day + Duration::SECOND).await.unwrap(), 2);
    assert_eq!(database.alone().list_certificates(AUTHORITY).await.unwrap(), [anew]);
}

#[rstest]
#[tokio::test]
async fn an_authority_has_one_account(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let account =
        || SealedAcmeAccount { authority: AUTHORITY.to_owned(), credentials: sealed(), created_at: NOON };
    assert_eq!(database.alone().find_acme_account(AUTHORITY).await.unwrap(), None);
    for account in [account(), account()] {
        database.alone().replace_acme_account(&account).await.unwrap();
        assert_eq!(database.alone().find_acme_account(AUTHORITY).await.unwrap(), Some(account));
    }
    assert_eq!(database.alone().find_acme_account("https://other.example/").await.unwrap(), None);
}

#[rstest]
#[tokio::test]
async fn one_server_orders_and_after_a_failure_all_wait(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let (name, [one, two]) = (name("a.example"), [1, 2].map(Uuid::from_u128));
    let minutes = |count| NOON + Duration::minutes(count);
    let lease = async |holder, at: i64, at_once| {
        let (now, until) = (minutes(at), minutes(at + 5));
        let lease = database.alone().lease_order(&name, holder, now, until, at_once).await.unwrap();
        lease.map(|OrderLease { failures }| failures)
    };
    let end = async |holder, at, failures, next| {
        database.alone().end_order(&name, holder, minutes(at), failures, minutes(next)).await.unwrap()
    };
    assert_eq!(lease(one, 0, false).await, Some(0));
    assert_eq!(lease(two, 4, false).await, None, "the other one orders");
    assert_eq!(lease(two, 4, true).await, None, "and is not interrupted");
    assert_eq!(lease(two, 5, false).await, Some(0), "it was taken for dead");
    assert!(!end(one, 6, 1, 60).await, "so it has nothing to give back");
    assert!(end(two, 6, 1, 60).await);
    assert_eq!(lease(one, 59, false).await, None, "a failure is waited after");
    assert_eq!(lease(one, 59, true).await, Some(1), "unless somebody looks after it");
    assert!(end(one, 59, 2, 120).await);
    assert_eq!(lease(two, 120, false).await, Some(2));
    assert!(end(two, 121, 0, 121).await);
    assert_eq!(lease(one, 121, false).await, Some(0));
}

#[rstest]
#[tokio::test]
async fn of_twenty_servers_at_once_one_orders(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let databases = [test.connect().await, test.connect().await];
    // The first time, and when the lease of one that died is over.
    for now in [NOON, NOON + Duration::HOUR] {
        let attempts: Vec<_> = (0..20_usize)
            .map(|number| {
                let database = databases[number % 2].clone();
                let holder = Uuid::from_u128(number as u128);
                tokio::spawn(async move {
                    let until = now + Duration::MINUTE;
                    database.alone().lease_order(&name("a.example"), holder, now, until, true).await.unwrap()
                })
            })
            .collect();
        let mut leases = 0;
        for attempt in attempts {
            leases += usize::from(attempt.await.unwrap().is_some());
        }
        assert_eq!(leases, 1);
    }
}

#[rstest]
#[tokio::test]
async fn a_challenge_is_found_by_token_and_by_name_until_it_is_over(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::create(kind).await;
    let database = test.connect().await;
    let later = NOON + Duration::MINUTE;
    let challenge = |token: &str, name: &str, created_at| AcmeChallenge {
        token: token.to_owned(),
        name: name.to_owned(),
        key_authorization: format!("{token}.thumbprint"),
        created_at,
        expires_at: NOON + Duration::HOUR,
    };
    let (old, new, other) = (
        challenge("old", "a.example", NOON),
        challenge("new", "a.example", later),
        challenge("other", "b.example", NOON),
    );
    for challenge in [&old, &new, &other, &old] {
        database.alone().insert_acme_challenge(challenge).await.unwrap();
    }
    let by_token = async |token, now| database.alone().find_acme_challenge(token, now).await.unwrap();
    let by_name = async |name, now| database.alone().find_acme_challenge_about(name, now).await.unwrap();
    assert_eq!(by_token("old", NOON).await, Some(old.clone()));
    assert_eq!(by_token("older", NOON).await, None);
    assert_eq!(by_token("old", old.expires_at).await, None);
    assert_eq!(by_name("a.example", NOON).await, Some(new.clone()));
    assert_eq!(by_name("b.example", NOON).await, Some(other));
    assert_eq!(by_name("c.example", NOON).await, None);
    assert_eq!(by_name("a.example", new.expires_at).await, None);
    database.alone().delete_acme_challenge("new").await.unwrap();
    assert_eq!(by_name("a.example", NOON).await, Some(old));
}
