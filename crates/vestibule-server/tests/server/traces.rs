//! What a collector of OpenTelemetry is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;

use crate::program::{Client, PASSWORD, Program, command, run};

type Batches = Arc<Mutex<Vec<u8>>>;

/// A collector that keeps what it is sent, as one heap of bytes: names and values are readable in Protocol Buffers.
async fn collector() -> (String, Batches) {
    let batches = Batches::default();
    let keep = async |State(batches): State<Batches>, body: Bytes| {
        batches.lock().unwrap().extend_from_slice(&body);
    };
    let router = Router::new().route("/v1/traces", post(keep)).with_state(Arc::clone(&batches));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, batches)
}

fn holds(batches: &Batches, words: &str) -> bool {
    batches.lock().unwrap().windows(words.len()).any(|window| window == words.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_is_told_of_requests_and_statements_and_of_nothing_that_was_typed() {
    let (address, batches) = collector().await;
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start_with(folder.path(), None, &[("VESTIBULE_OTLP_ENDPOINT", &address)]);
    let (status, cookies) = Client::new().sign_up(&program.origin, "ann").await.unwrap();
    assert_eq!(status, 201);
    drop(cookies);
    // A stop sends what is left.
    let pid = program.pid().to_string();
    assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
    assert!(tokio::task::spawn_blocking(|| program.wait()).await.unwrap().success());
    for words in ["POST /api/auth/sign-up", "http.response.status_code", "INSERT", "sqlite", "service.name"] {
        assert!(holds(&batches, words), "{words}");
    }
    for typed in ["ann@example.com", PASSWORD] {
        assert!(!holds(&batches, typed), "{typed}");
    }
}

#[tokio::test]
async fn a_collector_that_is_not_there_keeps_nobody_from_anything() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = [("VESTIBULE_OTLP_ENDPOINT", &*format!("http://{closed}"))];
    let program = Program::start_with(folder.path(), None, &settings);
    assert_eq!(Client::new().sign_up(&program.origin, "ann").await.unwrap().0, 201);
    let pid = program.pid().to_string();
    assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
    let stopped = tokio::task::spawn_blocking(|| program.wait());
    assert!(tokio::time::timeout(Duration::from_secs(15), stopped).await.unwrap().unwrap().success());
}

#[test]
fn what_is_no_address_of_a_collector_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for (setting, value) in [("VESTIBULE_OTLP_ENDPOINT", "localhost:4318"), ("VESTIBULE_OTLP_SAMPLE", "2")] {
        let (output, told) = run(command(folder.path()).args(["config", "check"]).env(setting, value));
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains(setting), "{told}");
    }
}
