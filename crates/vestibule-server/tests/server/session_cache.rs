//! What a server remembers of sessions, while others end them.

use std::path::Path;
use std::time::Duration;

use rstest::rstest;
use tokio::time::Instant;
use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::program::{Client, Cookies, Program, command};

/// How many checks were answered from memory.
async fn from_memory(client: &Client, metrics: &str) -> f64 {
    let (_, told) = client.get(metrics, "/metrics").await.unwrap();
    let name = "vestibule_session_checks_total{answered_by=\"memory\"} ";
    told.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

/// Asks until the server answers from memory.
async fn remembered(client: &Client, program: &Program, metrics: &str, cookies: &Cookies) {
    let (began, before) = (Instant::now(), from_memory(client, metrics).await);
    while from_memory(client, metrics).await < before + 3.0 {
        assert_eq!(client.session(&program.origin, cookies).await.unwrap(), 200);
        assert!(began.elapsed() < Duration::from_secs(20), "it remembers at last");
    }
}

fn end_sessions(folder: &Path, test: &TestDatabase, name: &str) {
    let mut end = command(folder);
    end.env("VESTIBULE_DATABASE_URL", test.url_text());
    end.args(["session", "revoke", &format!("{name}@example.com"), "--yes"]);
    let output = end.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn signal(program: &Program, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &program.pid().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[rstest]
#[tokio::test]
async fn what_a_command_ends_is_refused_within_a_second_and_by_a_paused_server_at_once(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let test = TestDatabase::empty(kind).await;
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:{}", crate::program::free_port());
    let metrics = format!("http://{listen}");
    let settings = [("VESTIBULE_METRICS_LISTEN", listen.as_str())];
    let program = Program::start_with(folder.path(), Some(test.url_text()), &settings);
    let client = Client::new();
    let cookies = async |name: &str| client.sign_up(&program.origin, name).await.unwrap().1.unwrap();

    let ann = cookies("ann").await;
    remembered(&client, &program, &metrics, &ann).await;
    end_sessions(folder.path(), &test, "ann");
    let ended = Instant::now();
    while client.session(&program.origin, &ann).await.unwrap() != 401 {
        assert!(ended.elapsed() < Duration::from_secs(1), "an ended session is honoured no longer than that");
    }

    let bob = cookies("bob").await;
    remembered(&client, &program, &metrics, &bob).await;
    signal(&program, "-STOP");
    end_sessions(folder.path(), &test, "bob");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    signal(&program, "-CONT");
    assert_eq!(client.session(&program.origin, &bob).await.unwrap(), 401, "at once");
}
