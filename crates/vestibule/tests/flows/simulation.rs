use rstest::rstest;
use time::Duration;
use vestibule::models::{Client, MailKind, Role};
use vestibule::services::{Asked, CheckError, LoggedIn, RefreshError};
use vestibule_testkit::{DatabaseKind, Dice, House, reading, writing};

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
async fn live(kind: DatabaseKind, seed: u64) -> (House, Jar) {
    let first = House::open(kind).await;
    let second = first.second_server().await;
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
                let server = if dice.one_in(2) { &first } else { &second };
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
    (first, jar)
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
    let (house, jar) = live(kind, seed).await;
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
