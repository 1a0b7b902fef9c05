use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use rstest::rstest;
use vestibule::models::{CandidatePassword, Password, PasswordHash};
use vestibule::ports::{
    Argon2Parameters, HasherError, HashingPlan, HashingSlots, OsRandom, PasswordHasher, Standing,
};
use vestibule::services::LogIn;
use vestibule_testkit::{
    Changed, DatabaseKind, HasherChange, House, HouseOptions, PASSWORD, TestDatabase, client, least_slots,
};

fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

#[tokio::test]
async fn a_hash_matches_its_password_only() {
    let slots = least_slots();
    let hash = slots.hash(password(PASSWORD), Standing::Stranger).await.unwrap();
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(slots.matches(password(PASSWORD), Some(hash.clone()), Standing::Stranger).await.unwrap());
    assert!(
        !slots
            .matches(password("copper window friday"), Some(hash.clone()), Standing::Stranger)
            .await
            .unwrap()
    );
    assert_ne!(
        slots.hash(password(PASSWORD), Standing::Stranger).await.unwrap(),
        hash,
        "each has a salt of its own"
    );
    assert!(
        !slots.matches(password(PASSWORD), None, Standing::Stranger).await.unwrap(),
        "nothing matches no hash"
    );
}

/// Made with the reference implementation's command line:
/// `echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 32` (from its test vectors).
#[tokio::test]
async fn hashes_of_the_reference_implementation_match() {
    let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let hash = PasswordHash::parse(text.to_owned()).unwrap();
    let slots = least_slots();
    assert!(slots.matches(password("password"), Some(hash.clone()), Standing::Stranger).await.unwrap());
    assert!(!slots.matches(password("passwore"), Some(hash.clone()), Standing::Stranger).await.unwrap());
    assert!(slots.is_outdated(&hash), "it takes more memory than the operator gives one today");
}

#[tokio::test]
async fn a_refusal_of_a_cheaper_hash_takes_the_time_of_todays() {
    let cheap = least_slots().hash(password(PASSWORD), Standing::Stranger).await.unwrap();
    let today = Argon2Parameters::new(8 * 19 * 1024, 2).unwrap();
    let slots = HashingSlots::start(HashingPlan::new(today, NonZeroUsize::MIN), Arc::new(OsRandom));
    let mut took = Vec::new();
    for hash in [Some(cheap), None] {
        let _warm = slots.matches(password("copper window friday"), None, Standing::Stranger).await.unwrap();
        let started = vestibule::ports::Clock::now(&vestibule::ports::SystemClock);
        assert!(!slots.matches(password("copper window friday"), hash, Standing::Stranger).await.unwrap());
        took.push((vestibule::ports::Clock::now(&vestibule::ports::SystemClock) - started).as_seconds_f64());
    }
    // Without the missing work it would be about a seventh.
    assert!(took[0] > took[1] * 0.5, "known, cheaper: {} s, unknown: {} s", took[0], took[1]);
}

#[tokio::test]
async fn a_pattern_on_which_the_estimator_overflows_leaves_the_slot_at_work() {
    let slots = least_slots();
    for typed in ["12121212121212121212121212121212", "q2q2q2q2q2q2q2q2q2q2q2q2q2q2q2q2"] {
        let candidate = CandidatePassword::parse(typed, None, None, "Test site").unwrap();
        let _judged = slots.judge(candidate, Standing::Stranger).await;
        assert!(slots.hash(password(PASSWORD), Standing::Stranger).await.is_ok(), "{typed}");
    }
}

#[tokio::test]
async fn past_the_bound_the_answer_is_overloaded_at_once() {
    let slots = Arc::new(least_slots());
    let waiting: Vec<_> = (0..200)
        .map(|_| {
            let slots = Arc::clone(&slots);
            tokio::spawn(async move { slots.hash(password(PASSWORD), Standing::Stranger).await })
        })
        .collect();
    let (mut hashed, mut overloaded) = (0_u64, 0_u64);
    for answer in waiting {
        match answer.await.unwrap() {
            Ok(_) => hashed += 1,
            Err(HasherError::Overloaded(refused)) => {
                assert!(refused.retry_after.as_secs() >= 1);
                overloaded += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(hashed >= 5, "those who can be served within a second are: {hashed}");
    assert!(overloaded >= 100, "the rest is refused: {overloaded}");
    // The last answer is given a moment before its place is.
    while slots.load().unwrap().hashing.running > 0 {
        tokio::task::yield_now().await;
    }
    let load = slots.load().unwrap().hashing;
    assert_eq!((load.done, load.refused, load.waiting, load.running), (hashed, overloaded, 0, 0));
}

/// A34: whoever hangs up has still taken a place, so that hanging up and coming again gains nothing.
#[tokio::test]
async fn who_hangs_up_frees_neither_the_slot_nor_a_place_before_its_turn() {
    // So dear that the first one is still computed while all this happens.
    let dear = Argon2Parameters::new(512 * 1024, 20).unwrap();
    let plan = HashingPlan::new(dear, NonZeroUsize::MIN);
    // At first guess one takes 6.7 s; within 20 s two may wait behind the one under way.
    let plan = HashingPlan { max_wait: std::time::Duration::from_secs(20), ..plan };
    let slots = Arc::new(HashingSlots::start(plan, Arc::new(OsRandom)));
    let ask = || {
        let slots = Arc::clone(&slots);
        tokio::spawn(async move { slots.hash(password(PASSWORD), Standing::Stranger).await })
    };
    let counts = || slots.load().unwrap().hashing;
    let under_way = ask();
    while counts().running == 0 {
        tokio::task::yield_now().await;
    }
    let waiting = [ask(), ask()];
    while counts().waiting < 2 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(ask().await.unwrap(), Err(HasherError::Overloaded(_))), "there is no more room");
    for request in waiting.into_iter().chain([under_way]) {
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
    }
    assert_eq!((counts().running, counts().waiting), (1, 2), "all three hung up, and keep what they had");
    assert!(matches!(ask().await.unwrap(), Err(HasherError::Overloaded(_))), "so there is none for others");
}

#[tokio::test]
async fn judging_passwords_keeps_nobody_from_logging_in() {
    let slots = Arc::new(least_slots());
    let judge = || {
        let slots = Arc::clone(&slots);
        // The worst that the estimator was found to be given, of the characters that it looks at.
        let candidate =
            CandidatePassword::parse(&"qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9".repeat(2), None, None, "Test site");
        tokio::spawn(async move { slots.judge(candidate.unwrap(), Standing::Stranger).await })
    };
    let judgements: Vec<_> = (0..500).map(|_| judge()).collect();
    while slots.load().unwrap().judging.refused == 0 {
        tokio::task::yield_now().await;
    }
    assert!(
        slots.hash(password(PASSWORD), Standing::Stranger).await.is_ok(),
        "there is a slot though the judge is flooded"
    );
    assert_eq!(slots.load().unwrap().hashing.refused, 0);
    for judgement in judgements {
        judgement.abort();
    }
}

/// Counts how often the hasher is asked to compare, and whether there was a hash.
struct Counting {
    inner: HashingSlots,
    with_hash: AtomicUsize,
    without_hash: AtomicUsize,
}

#[async_trait]
impl HasherChange for Counting {
    fn real(&self) -> &HashingSlots {
        &self.inner
    }

    async fn matches(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        whose: Standing,
    ) -> Result<bool, HasherError> {
        let counter = if hash.is_some() { &self.with_hash } else { &self.without_hash };
        counter.fetch_add(1, Ordering::SeqCst);
        self.inner.matches(password, hash, whose).await
    }
}

#[tokio::test]
async fn an_unknown_address_costs_the_same_work_as_a_known_one() {
    let counting = Arc::new(Changed(Counting {
        inner: least_slots(),
        with_hash: AtomicUsize::new(0),
        without_hash: AtomicUsize::new(0),
    }));
    let options = HouseOptions { hasher: Some(counting.clone()), ..HouseOptions::default() };
    let house = House::open_on(&TestDatabase::create(DatabaseKind::Sqlite).await, options).await.unwrap();
    house.signed_up("ann").await;
    house.signed_up("bob").await;
    house.set_disabled("bob@example.com", true).await;
    for email in ["ann@example.com", "nobody@example.com", "bob@example.com"] {
        let before = house.database.round_trips();
        assert!(house.log_in(email, "wrong window thursday").await.is_err());
        assert_eq!(house.database.round_trips() - before, 3, "{email}: look-up, quota and audit event");
    }
    let counts =
        (counting.0.with_hash.load(Ordering::SeqCst), counting.0.without_hash.load(Ordering::SeqCst));
    assert_eq!(counts, (1, 2), "each was compared once, with a decoy where there is nothing to compare");
}

/// From many networks, so that no quota stops it. Whoever comes every day gets in all the same.
#[rstest]
#[tokio::test]
async fn a_flood_of_strangers_keeps_out_no_browser_that_the_account_knows(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let hasher = Arc::new(least_slots());
    let options = HouseOptions { hasher: Some(hasher.clone()), ..HouseOptions::default() };
    let house = House::open_on(&TestDatabase::create(kind).await, options).await.unwrap();
    let device = house.signed_up("ann").await.tokens.device;
    let flood: Vec<_> = (0..500)
        .map(|_| {
            let hasher = hasher.clone();
            tokio::spawn(async move { hasher.hash(password(PASSWORD), Standing::Stranger).await })
        })
        .collect();
    while hasher.load().unwrap().hashing.refused == 0 {
        tokio::task::yield_now().await;
    }
    let typed =
        LogIn { email: "ann@example.com", password: PASSWORD, devices: &[device.as_deref().unwrap()] };
    assert!(house.accounts.log_in(typed, &client()).await.is_ok());
    for one in flood {
        one.abort();
    }
}
