use rstest::rstest;
use time::Duration;
use vestibule::models::{Client, MailKind, Role};
use vestibule::services::{Asked, CheckError, LoggedIn, RefreshError};
use vestibule_testkit::{
    DatabaseKind, Dice, House, HouseOptions, TestDatabase, reading, secret_key, writing,
};

const TABS: usize = 6;
const STEPS: usize = 300;

/// A browser whose tabs share one jar of cookies. A tab takes the cookies when it sends, and the jar changes when an
/// answer arrives, if it arrives.
struct Jar {
    cookies: LoggedIn,
    /// Every set of cookies that was ever in the jar: what a thief may have copied.
    history: Vec<LoggedIn>,
}

impl Jar {
    fn receive(&mut self, answer: LoggedIn) {
        if *answer.tokens.refresh != *self.cookies.tokens.refresh {
            self.history.push(self.cookies.clone());
        }
        self.cookies = answer;
    }
}

/// 300 random steps of six tabs over two servers; a third of the answers get lost, and time passes.
async fn live(first: &House, second: &House, seed: u64) -> Jar {
    let mut dice = Dice::new(seed);
    let start = first.signed_up("ann").await;
    let mut jar = Jar { cookies: start, history: Vec::new() };
    let began = first.accounts.now();

    for step in 0..STEPS {
        let context = format!("seed {seed}, step {step}");
        // Several tabs wake at the same moment, each with the cookies of that moment.
        let awake = 1 + dice.index(TABS);
        let sent = jar.cookies.clone();
        let mut answers = Vec::new();
        let requests: Vec<_> = (0..awake)
            .map(|_| {
                let server = if dice.one_in(2) { first } else { second };
                let (accounts, sent) = (server.accounts.clone(), sent.clone());
                tokio::spawn(async move { ask(&accounts, &sent).await })
            })
            .collect();
        for request in requests {
            let answer =
                request.await.unwrap().unwrap_or_else(|told| panic!("{context}: logged out: {told}"));
            answers.extend(answer);
        }
        // The answers arrive in any order, and each third is lost.
        while !answers.is_empty() {
            let answer = answers.swap_remove(dice.index(answers.len()));
            if !dice.one_in(3) {
                jar.receive(answer);
            }
        }
        let is_near_the_end = first.accounts.now() - began > Duration::days(25);
        let pause = match dice.roll(6) {
            _ if is_near_the_end => Duration::seconds(1),
            0 => Duration::milliseconds(20),
            1 => Duration::seconds(9),
            2 => Duration::seconds(40),
            3 => Duration::minutes(6),
            4 => Duration::hours(2),
            _ => Duration::minutes(1),
        };
        first.clock.advance(pause);
    }
    assert_eq!(
        first.outbox_kinds().await,
        [MailKind::ConfirmEmail],
        "seed {seed}: nobody was taken for a thief"
    );
    jar
}

/// What a tab does: ask for a page, and refresh where the access token is over. Gives new cookies where there are any.
async fn ask(accounts: &vestibule::Accounts, sent: &LoggedIn) -> Result<Option<LoggedIn>, String> {
    match accounts.check_session(&reading(sent), Asked::role(Role::User)).await {
        Ok(_) => Ok(None),
        Err(CheckError::AccessTokenExpired) => accounts
            .refresh(&writing(sent), &Client::default())
            .await
            .map(Some)
            .map_err(|error| error.to_string()),
        Err(other) => Err(other.to_string()),
    }
}

#[rstest]
#[tokio::test]
async fn six_tabs_two_servers_and_lost_answers_log_nobody_out(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
    #[values(1, 2, 3, 4)] seed: u64,
) {
    let house = House::open(kind).await;
    let jar = live(&house, &house.second_server().await, seed).await;
    end_by_a_replay(&house, jar, seed).await;
}

/// A rolling change of the secret: one server has the new one at the end of its list already, the other at the front. Each
/// derives successors of its own, and must find those that the other put in place.
#[rstest]
#[tokio::test]
async fn two_servers_with_their_secrets_in_another_order_log_nobody_out(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
    #[values(5, 6, 7, 8)] seed: u64,
) {
    let (old, new) = (secret_key(), secret_key());
    let database = TestDatabase::create(kind).await;
    let options =
        HouseOptions { secret: [old.clone(), new.clone()].try_into().unwrap(), ..HouseOptions::default() };
    let first = House::open_on(&database, options.clone()).await.unwrap();
    let options = HouseOptions { secret: [new, old].try_into().unwrap(), ..options };
    let second = House::open_on(&database, options).await.unwrap();
    let jar = live(&first, &second, seed).await;
    end_by_a_replay(&first, jar, seed).await;
}

async fn end_by_a_replay(house: &House, jar: Jar, seed: u64) {
    assert!(jar.history.len() > 20, "seed {seed}: secrets did change: {}", jar.history.len());

    // The session still works, and then any copy that is older than the previous secret ends it.
    let current = house.accounts.refresh(&writing(&jar.cookies), &Client::default()).await.unwrap();
    let current = house.accounts.refresh(&writing(&current), &Client::default()).await.unwrap();
    let mut dice = Dice::new(seed);
    let copied = &jar.history[dice.index(jar.history.len() - 1)];
    let replayed = house.accounts.refresh(&writing(copied), &Client::default()).await;
    assert!(matches!(replayed, Err(RefreshError::Reused)), "seed {seed}: {replayed:?}");
    assert!(house.accounts.check_session(&reading(&current), Asked::role(Role::User)).await.is_err());
    assert!(house.accounts.refresh(&writing(&current), &Client::default()).await.is_err());
}
