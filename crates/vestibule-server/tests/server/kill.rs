use std::time::Duration;

use rstest::rstest;
use vestibule_testkit::{DatabaseKind, Dice, TestDatabase};

use crate::program::{Client, Cookies, Program};

/// What was answered for, and must be there whatever happened since.
#[derive(Default)]
struct Answered {
    accounts: Vec<String>,
    sessions: Vec<Cookies>,
}

/// Signs up, refreshes and so on, until the server is gone.
async fn use_it(origin: String, worker: String) -> Answered {
    let client = Client::new();
    let mut answered = Answered::default();
    for number in 0.. {
        let name = format!("{worker}x{number}");
        let Ok((201, Some(mut cookies))) = client.sign_up(&origin, &name).await else { break };
        answered.accounts.push(name);
        answered.sessions.push(cookies.clone());
        for _ in 0..3 {
            match client.refresh(&origin, &cookies).await {
                Ok((200, Some(next))) => {
                    cookies = next;
                    *answered.sessions.last_mut().unwrap() = cookies.clone();
                }
                Ok((status, _)) => panic!("an honest refresh was refused with {status}"),
                Err(_) => return answered,
            }
        }
    }
    answered
}

/// The server is killed at a random moment under load, again and again: every account and every session that was
/// answered for works afterwards.
#[rstest]
#[tokio::test]
async fn kill_9_at_any_moment_loses_nothing_that_was_answered_for(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    const ROUNDS: u64 = 6;
    let test = TestDatabase::empty(kind).await;
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(7);
    let mut sessions = 0;
    let client = Client::new();
    for round in 0..ROUNDS {
        let program = Program::start(folder.path(), Some(test.url_text()));
        let workers: Vec<_> = (0..3)
            .map(|worker| tokio::spawn(use_it(program.origin.clone(), format!("r{round}w{worker}"))))
            .collect();
        tokio::time::sleep(Duration::from_millis(250 + dice.roll(400))).await;
        program.kill();

        let program = Program::start(folder.path(), Some(test.url_text()));
        for worker in workers {
            let answered = worker.await.unwrap();
            for name in answered.accounts.iter().rev().take(2) {
                assert_eq!(client.log_in(&program.origin, name).await.unwrap().0, 200, "{name} is there");
            }
            for cookies in &answered.sessions {
                assert_eq!(client.session(&program.origin, cookies).await.unwrap(), 200);
                assert_eq!(client.refresh(&program.origin, cookies).await.unwrap().0, 200);
                sessions += 1;
            }
        }
    }
    assert!(sessions > 10, "the load was one: {sessions}");
}
