//! What programs are told that verify access tokens by themselves: the acts are those of `session_cache`.

use rstest::rstest;
use time::Duration;
use vestibule::models::Role;
use vestibule::ports::{Clock, SystemClock};
use vestibule::services::{Administrator, FollowRevocationsError, LoggedIn};
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{House, HouseOptions, TestDatabase, client, generous, writing};

use crate::session_cache::{ACTS, admin, do_it};

/// On the clock that the database has, which says when a session ended.
async fn house(kind: DatabaseKind) -> House {
    let options = HouseOptions { policy: generous, ..HouseOptions::default() };
    options.clock.advance(SystemClock.now() - options.clock.now());
    House::open_on(&TestDatabase::create(kind).await, options).await.unwrap()
}

/// What a program does with the answers.
struct Follower {
    cursor: Option<String>,
    known: Vec<(String, i64)>,
}

impl Follower {
    async fn of(house: &House) -> Self {
        let mut follower = Self { cursor: None, known: Vec::new() };
        follower.follow(house).await;
        follower
    }

    async fn follow(&mut self, house: &House) {
        loop {
            let page = house.accounts.follow_revocations(self.cursor.as_deref()).await.unwrap();
            let told = page.revocations.iter();
            self.known.extend(told.map(|one| (one.session.to_base64(), one.issued_until.unix_timestamp())));
            self.cursor = Some(page.next.to_string());
            if !page.has_more {
                return;
            }
        }
    }

    /// The one rule, for the token that somebody has.
    fn refuses(&self, ann: &LoggedIn) -> bool {
        let payload = ann.tokens.access.split('.').nth(1).unwrap();
        let payload = base64(payload);
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let (sid, iat) = (claims["sid"].as_str().unwrap(), claims["iat"].as_i64().unwrap());
        self.known.iter().any(|(ended, at)| ended == sid && iat <= *at)
    }
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[rstest]
#[tokio::test]
async fn everything_that_ends_a_session_or_takes_from_a_user_is_told(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let house = house(kind).await;
    admin(&house, "root").await;
    for act in ACTS {
        // Replays let time pass, and the database's clock goes on by itself.
        house.clock.advance(SystemClock.now() - Duration::seconds(2) - house.accounts.now());
        let (ann, others) = admin(&house, &format!("{act:?}").to_lowercase()).await;
        let mut follower = Follower::of(&house).await;
        // That they became an admin.
        follower.known.clear();
        do_it(act, &house, &ann, &others).await;
        follower.follow(&house).await;
        assert!(follower.refuses(&ann), "{act:?}");
    }
}

#[rstest]
#[tokio::test]
async fn who_has_another_role_goes_on_with_a_new_token(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind).await;
    let ann = house.signed_up("ann").await;
    let by = Administrator::at_the_command_line();
    house.accounts.change_role(ann.user.id, &Role::Admin, &by).await.unwrap();
    let follower = Follower::of(&house).await;
    assert!(follower.refuses(&ann));
    house.clock.advance(SystemClock.now() - house.accounts.now() + Duration::SECOND);
    let second = house.accounts.refresh(&writing(&ann), &client()).await.unwrap();
    assert!(!follower.refuses(&second));
}

#[rstest]
#[tokio::test]
async fn what_is_told_is_kept_as_long_as_a_token_lives_also_where_the_setting_was_lowered(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let test_database = TestDatabase::create(kind).await;
    let options = HouseOptions::default();
    options.clock.advance(SystemClock.now() - options.clock.now());
    let long = HouseOptions {
        policy: |policy| vestibule::Policy { access_ttl: Duration::HOUR, ..policy },
        ..options.clone()
    };
    let before = House::open_on(&test_database, long).await.unwrap();
    let (ann, bob) = (before.signed_up("ann").await, before.signed_up("bob").await);
    for somebody in [&ann, &bob] {
        let current = before.current(somebody).await;
        before.accounts.log_out(&current, &client()).await.unwrap();
    }
    let house = House::open_on(&test_database, options).await.unwrap();
    let kept = async || house.count("SELECT COUNT(*) AS count FROM revocations").await;
    house.clock.advance(Duration::HOUR);
    assert_eq!(house.accounts.clean_up().await.unwrap().revocations, 0);
    assert_eq!(kept().await, 2);
    house.clock.advance(Duration::minutes(5));
    assert_eq!(house.accounts.clean_up().await.unwrap().revocations, 1);
    assert_eq!(kept().await, 1, "the newest stays");
}

#[rstest]
#[tokio::test]
async fn what_is_no_cursor_is_refused(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let house = house(kind).await;
    let refused = house.accounts.follow_revocations(Some("yesterday")).await;
    assert!(matches!(refused, Err(FollowRevocationsError::Cursor(_))), "{refused:?}");
}
