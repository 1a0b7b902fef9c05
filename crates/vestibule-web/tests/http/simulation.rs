//! What a browser with six tabs does in weeks, on a line that loses a third of the answers, and a thief at the end.

use std::collections::BTreeSet;

use reqwest::Method;
use rstest::rstest;
use time::Duration;
use tokio::task::JoinSet;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::{Answer, Browser, Dice, TestServer};

use crate::REFRESH;

const STEPS: usize = 300;
const TABS: usize = 6;
/// Pauses in seconds: within the time that the previous secret is still honoured, beyond it, beyond the access
/// token's time. 300 of them stay below the 30 days of a session.
const PAUSES: [i64; 10] = [0, 0, 1, 9, 11, 60, 299, 301, 3600, 14_400];

/// What a tab does next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    OpenPage,
    PostForm,
    CallApi,
    Refresh,
    FollowRefresh,
}

impl Act {
    fn of(dice: &mut Dice) -> Self {
        [Self::OpenPage, Self::PostForm, Self::CallApi, Self::CallApi, Self::Refresh, Self::FollowRefresh]
            [dice.index(6)]
    }

    async fn send(self, tab: Browser) -> Answer {
        match self {
            Self::OpenPage => tab.send_and_lose(Method::GET, "/dashboard", &[], "").await,
            Self::PostForm => tab.post_form_and_lose("/dashboard", &[("text", "hello")]).await,
            Self::CallApi => tab.call_and_lose(Method::GET, "/api/auth/session", None).await,
            Self::Refresh => tab.call_and_lose(Method::POST, "/api/auth/refresh", None).await,
            Self::FollowRefresh => tab.send_and_lose(Method::GET, "/refresh?next=/dashboard", &[], "").await,
        }
    }

    /// Whether the answer is one that somebody gets who is logged in.
    fn is_answered_well(self, answer: &Answer) -> bool {
        match self {
            Self::OpenPage | Self::PostForm | Self::Refresh => answer.status == 200,
            Self::FollowRefresh => answer.status == 303 && answer.location() == "/dashboard",
            // The script of the page refreshes and asks again.
            Self::CallApi => {
                answer.status == 200 || answer.status == 401 && answer.code() == "unauthenticated"
            }
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn six_tabs_and_lost_answers_log_nobody_out_and_a_replay_ends_the_session(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
    #[values(1, 2)] server_count: usize,
    #[values(7, 1_848, 20_260)] seed: u64,
) {
    let mut dice = Dice::new(seed);
    let mut servers = vec![TestServer::start(kind).await];
    if server_count == 2 {
        servers.push(servers[0].second_server().await);
    }
    let mut browser = servers[0].browser();
    browser.sign_up("ann").await;
    let mut wants_refresh = [false; TABS];
    let mut worn_out = vec![browser.clone()];
    let mut secrets = BTreeSet::new();

    for step in 0..STEPS {
        let pause = Duration::seconds(PAUSES[dice.index(PAUSES.len())]);
        servers[0].clock.advance(pause);
        // Up to three tabs at once, with the cookies that the browser has now.
        let mut under_way = JoinSet::new();
        for tab in distinct_tabs(&mut dice) {
            let act = if wants_refresh[tab] { Act::Refresh } else { Act::of(&mut dice) };
            let mut sender = browser.clone();
            sender.go_to(&servers[dice.index(servers.len())]);
            under_way.spawn(async move { (tab, act, act.send(sender).await) });
        }
        for (tab, act, answer) in under_way.join_all().await {
            let place = format!("seed {seed}, step {step}, tab {tab}, {act:?}: {answer:?}");
            assert!(act.is_answered_well(&answer), "{place}");
            assert!(!answer.set_cookies().iter().any(|cookie| cookie.contains("Max-Age=0")), "{place}");
            if dice.one_in(3) {
                continue;
            }
            wants_refresh[tab] = answer.status == 401;
            browser.receive(&answer);
            if secrets.insert(browser.cookie(REFRESH).unwrap().to_owned()) {
                worn_out.push(browser.clone());
            }
        }
    }
    assert!(worn_out.len() > 30, "seed {seed}: only {} secrets in {STEPS} steps", worn_out.len());

    // The browser goes on: what it has is current and used, and what it had twice before is worn out.
    browser.refresh().await;
    browser.refresh().await;
    assert_eq!(browser.session().await.status, 200, "seed {seed}");
    servers[0].clock.advance(Duration::seconds(11));
    assert_eq!(browser.session().await.status, 200, "seed {seed}");

    let mut thief = worn_out.swap_remove(dice.index(worn_out.len()));
    thief.go_to(&servers[dice.index(servers.len())]);
    let answer = thief.refresh().await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "refresh_reused"), "seed {seed}");
    for server in &servers {
        browser.go_to(server);
        let answer = browser.clone().session().await;
        assert_eq!(answer.code(), "session_revoked", "seed {seed}");
        assert_eq!(browser.clone().refresh().await.code(), "session_revoked", "seed {seed}");
        assert_eq!(browser.clone().get("/dashboard").await.status, 303, "seed {seed}");
    }
}

/// One to three of the tabs.
fn distinct_tabs(dice: &mut Dice) -> BTreeSet<usize> {
    (0..=dice.index(3)).map(|_| dice.index(TABS)).collect()
}
