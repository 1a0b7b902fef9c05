//! Mails of the real program, while mail servers refuse, hang and break and the program is killed.

use std::path::Path;
use std::time::Duration;

use rstest::rstest;
use vestibule::ports::{Clock, SystemClock};
use vestibule::repository::OutgoingMails;
use vestibule_sql::At;
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

/// Whose row is looked at.
#[derive(Clone, Copy)]
enum Workers {
    /// The program was killed, so that nobody has any mail in hand.
    Dead,
    /// It runs, and has leases.
    Alive,
}

/// Lets pauses be over, and the leases of the dead, as time would. A lease of two minutes that is in use ends more than a
/// minute from now, for no delivery takes that long; a row that is due sooner is nobody's.
async fn let_time_pass(database: &TestDatabase, workers: Workers) {
    let now = SystemClock.now();
    let before = match workers {
        Workers::Dead => now + time::Duration::HOUR,
        Workers::Alive => now + time::Duration::MINUTE,
    };
    let connected = database.connect().await;
    connected
        .alone()
        .write(
            "UPDATE outgoing_mails SET next_attempt_at = created_at
             WHERE finished_at IS NULL AND next_attempt_at <= $1 AND next_attempt_at > $2",
        )
        .bind(At(before))
        .bind(At(now))
        .execute()
        .await
        .unwrap();
    connected.close().await;
}

fn count_to(server: &SmtpServer, name: &str) -> usize {
    let to = format!("To: {name}@example.com\n");
    server.messages().iter().filter(|message| message.contains(&to)).count()
}

fn names(prefix: &str) -> Vec<String> {
    (0..6).map(|number| format!("{prefix}{number}")).collect()
}

/// Signs up and tells how long the median took, which a busy machine moves less than the slowest.
async fn sign_up_all(program: &Program, names: &[String]) -> Duration {
    let client = Client::new();
    let mut took = Vec::new();
    for name in names {
        #[expect(clippy::disallowed_methods, reason = "a real duration is what is measured")]
        let began = std::time::Instant::now();
        assert_eq!(client.sign_up(&program.origin, name).await.unwrap().0, 201);
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took[took.len() / 2]
}

fn each_has_one_mail(server: &SmtpServer, names: &[String]) {
    for name in names {
        assert_eq!(count_to(server, name), 1, "{name}");
    }
}

#[rstest]
#[case::refuses(Manners { answers: vec![("MAIL", "451 not now")], ..Manners::default() })]
#[case::hangs(Manners { hangs_at: Some("DOT"), ..Manners::default() })]
#[case::breaks(Manners { drops_at: Some("BODY"), ..Manners::default() })]
#[tokio::test]
async fn while_the_mail_server_is_in_trouble_requests_are_as_fast_and_after_it_each_mail_arrives_once(
    #[case] trouble: Manners,
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::empty(kind).await);
    let server = SmtpServer::start(Manners::default()).await;
    let program = start(folder.path(), &database, server.port);
    let usual = sign_up_all(&program, &names("ann")).await;
    until("every mail of a good day", async || has_mail_to_all(&server, &names("ann"))).await;

    server.behave(trouble);
    let in_trouble = sign_up_all(&program, &names("bob")).await;
    // The machine has other things to do; a server that hangs does so for a minute.
    assert!(in_trouble < 2 * usual + Duration::from_millis(250), "{in_trouble:?} and not {usual:?}");
    until("an attempt", async || server.lines().iter().filter(|line| line.starts_with("MAIL")).count() > 6)
        .await;
    assert_eq!(server.messages().len(), 6, "only those of the good day");

    server.behave(Manners::default());
    until("every mail", async || {
        let_time_pass(&database, Workers::Alive).await;
        has_mail_to_all(&server, &names("bob"))
    })
    .await;
    until("the note of it", async || outbox_is_empty(&database).await).await;
    each_has_one_mail(&server, &names("ann"));
    each_has_one_mail(&server, &names("bob"));
}

fn has_mail_to_all(server: &SmtpServer, names: &[String]) -> bool {
    names.iter().all(|name| count_to(server, name) >= 1)
}

async fn outbox_is_empty(database: &TestDatabase) -> bool {
    let connected = database.connect().await;
    let waiting = connected.alone().list_outgoing_mails(1).await.unwrap();
    connected.close().await;
    waiting.is_empty()
}

#[rstest]
// A server that hangs is left at once, whatever it was told before the letter.
#[case::before_the_letter(Manners { hangs_at: Some("RCPT"), ..Manners::default() }, 0)]
// What was handed over is waited for, and nothing new is begun: four are under way at a time.
#[case::with_the_letter(Manners { is_slow_at: Some(("DOT", Duration::from_secs(3))), ..Manners::default() }, 4)]
#[tokio::test]
async fn a_stop_begins_no_mail_and_repeats_none(
    #[case] trouble: Manners,
    #[case] sent_in_the_end: usize,
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::empty(kind).await);
    let server = SmtpServer::start(Manners { hangs_at: Some("MAIL"), ..Manners::default() }).await;
    let program = start(folder.path(), &database, server.port);
    sign_up_all(&program, &names("ann")).await;
    let under_way = |command: &str| server.lines().iter().filter(|line| line.starts_with(command)).count();
    until("four deliveries", async || under_way("MAIL") == 4).await;
    let step = trouble.hangs_at.unwrap_or("DATA");
    server.behave(trouble);
    until("the trouble", async || under_way(step) == 4).await;

    #[expect(clippy::disallowed_methods, reason = "a real duration is what is measured")]
    let began = std::time::Instant::now();
    let term = std::process::Command::new("kill").arg(program.pid().to_string()).status().unwrap();
    // The mail server is of this thread, so another one waits.
    let ended = tokio::task::spawn_blocking(|| program.wait()).await.unwrap();
    assert!(term.success() && ended.success());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!((server.messages().len(), under_way("MAIL")), (sent_in_the_end, 4));

    server.behave(Manners::default());
    let_time_pass(&database, Workers::Dead).await;
    let _program = start(folder.path(), &database, server.port);
    until("every mail", async || outbox_is_empty(&database).await).await;
    each_has_one_mail(&server, &names("ann"));
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
        let_time_pass(&database, Workers::Dead).await;
    }
    assert!(names.len() > 10, "the load was one: {}", names.len());
    let program = start(folder.path(), &database, server.port);
    until("every mail", async || {
        let_time_pass(&database, Workers::Alive).await;
        has_mail_to_all(&server, &names)
    })
    .await;
    for name in names.iter().step_by(7) {
        assert_eq!(Client::new().log_in(&program.origin, name).await.unwrap().0, 200, "{name}");
    }
    // Four are under way at a time, and one sign-up whose answer nobody got.
    let (sent, at_most) = (server.messages().len(), names.len() + 5 * (4 + 1));
    assert!(sent <= at_most, "a kill repeats the mails under way and no others: {sent} and not {at_most}");
}
