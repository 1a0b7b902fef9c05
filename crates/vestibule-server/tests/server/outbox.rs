//! Mails of the real program, while mail servers refuse, hang and break and the program is killed.

use std::path::Path;
use std::time::Duration;

use rstest::rstest;
use vestibule_testkit::{DatabaseKind, Dice, TestDatabase};

use crate::program::{Client, Program};
use crate::smtp_server::{Manners, SmtpServer};

fn start(folder: &Path, database: &TestDatabase, port: u16) -> Program {
    let url = format!("smtp://127.0.0.1:{port}");
    Program::start_with(folder, Some(database.url_text()), &[("VESTIBULE_MAIL_URL", &url)])
}

/// Waits until something holds, for things that other programs do in their own time.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} does not come about");
}

/// Lets pauses and leases be over, as time would.
async fn let_time_pass(database: &TestDatabase) {
    let connected = database.connect().await;
    connected
        .alone()
        .write("UPDATE outgoing_mails SET next_attempt_at = created_at WHERE finished_at IS NULL")
        .execute()
        .await
        .unwrap();
    connected.close().await;
}

fn count_to(server: &SmtpServer, name: &str) -> usize {
    let to = format!("To: {name}@example.com\n");
    server.messages().iter().filter(|message| message.contains(&to)).count()
}

#[rstest]
#[case::refuses("MAIL", None, None)]
#[case::hangs("", Some("DOT"), None)]
#[case::breaks("", None, Some("BODY"))]
#[tokio::test]
async fn while_the_mail_server_is_in_trouble_requests_are_as_fast_and_mails_arrive_after(
    #[case] refuses: &'static str,
    #[case] hangs_at: Option<&'static str>,
    #[case] drops_at: Option<&'static str>,
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::empty(kind).await);
    let answers = if refuses.is_empty() { vec![] } else { vec![(refuses, "451 not now")] };
    let server = SmtpServer::start(Manners { answers, hangs_at, drops_at, ..Manners::default() }).await;
    let program = start(folder.path(), &database, server.port);
    let client = Client::new();
    #[expect(clippy::disallowed_methods, reason = "a real duration is what is measured")]
    let began = std::time::Instant::now();
    for number in 0..6 {
        assert_eq!(client.sign_up(&program.origin, &format!("ann{number}")).await.unwrap().0, 201);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "nobody waits for the mail server");
    until("an attempt", async || server.lines().iter().any(|line| line.starts_with("MAIL"))).await;
    assert!(server.messages().is_empty());

    server.behave(Manners::default());
    if hangs_at.is_some() {
        // Deliveries that hang would be given up after a minute; a restart does it now.
        program.kill();
        let_time_pass(&database).await;
        let _program = start(folder.path(), &database, server.port);
        until("every mail", async || has_mail_to_all(&server, 6)).await;
    } else {
        // Time that passes during a delivery ends its lease too, and the mail is sent twice: what counts is that each
        // has arrived, and not how many there are.
        until("every mail", async || {
            let_time_pass(&database).await;
            has_mail_to_all(&server, 6)
        })
        .await;
    }
}

fn has_mail_to_all(server: &SmtpServer, people: usize) -> bool {
    (0..people).all(|number| count_to(server, &format!("ann{number}")) >= 1)
}

#[rstest]
#[tokio::test]
async fn in_normal_operation_two_servers_deliver_each_mail_once(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::empty(kind).await);
    let server = SmtpServer::start(Manners::default()).await;
    let key = vestibule_testkit::secret_key().to_base64();
    let secret = [("VESTIBULE_SECRET_KEY", key.as_str())];
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let settings = [secret[0], ("VESTIBULE_MAIL_URL", url.as_str())];
    let programs = [0, 1].map(|_| Program::start_with(folder.path(), Some(database.url_text()), &settings));
    let client = Client::new();
    for number in 0..10 {
        let program = &programs[number % 2];
        assert_eq!(client.sign_up(&program.origin, &format!("ann{number}")).await.unwrap().0, 201);
    }
    until("every mail", async || server.messages().len() >= 10).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for number in 0..10 {
        assert_eq!(count_to(&server, &format!("ann{number}")), 1, "ann{number}");
    }
}

/// Killed at random moments, between any two steps of sign-ups and deliveries: every account that was answered for is
/// there, and every mail arrives.
#[rstest]
#[tokio::test]
async fn kill_9_at_any_moment_loses_no_mail(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::empty(kind).await);
    let server = SmtpServer::start(Manners::default()).await;
    let mut dice = Dice::new(11);
    let mut names = Vec::new();
    for round in 0..5 {
        let program = start(folder.path(), &database, server.port);
        let origin = program.origin.clone();
        let load = tokio::spawn(async move {
            let (client, mut answered) = (Client::new(), Vec::new());
            for number in 0.. {
                let name = format!("r{round}n{number}");
                let Ok((201, _)) = client.sign_up(&origin, &name).await else { break };
                answered.push(name);
            }
            answered
        });
        tokio::time::sleep(Duration::from_millis(400 + dice.roll(700))).await;
        program.kill();
        names.extend(load.await.unwrap());
        let_time_pass(&database).await;
    }
    assert!(names.len() > 10, "the load was one: {}", names.len());
    let program = start(folder.path(), &database, server.port);
    until("every mail", async || {
        let_time_pass(&database).await;
        names.iter().all(|name| count_to(&server, name) >= 1)
    })
    .await;
    for name in names.iter().step_by(7) {
        assert_eq!(Client::new().log_in(&program.origin, name).await.unwrap().0, 200, "{name}");
    }
    let sent = server.messages().len();
    assert!(
        sent < names.len() + 60,
        "a kill repeats the mails under way and no others: {sent} of {}",
        names.len()
    );
}
