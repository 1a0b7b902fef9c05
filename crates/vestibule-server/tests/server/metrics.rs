//! What Prometheus reads, and the dashboard and the alerts that are made of it.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::json;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestDatabase;

use crate::program::{Client, PASSWORD, Program};

const DASHBOARD: &str = include_str!("../../../../deploy/observability/dashboard.json");
const ALERTS: &str = include_str!("../../../../deploy/observability/alerts.yml");

/// The program with some log-ins behind it, and what it tells of them.
async fn told(kind: DatabaseKind) -> String {
    let database = TestDatabase::create(kind).await;
    let folder = tempfile::tempdir().unwrap();
    let metrics = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let settings = [("VESTIBULE_METRICS_LISTEN", metrics.as_str())];
    let program = Program::start_with(folder.path(), Some(database.url_text()), &settings);
    let client = Client::new();
    assert_eq!(client.sign_up(&program.origin, "ann").await.unwrap().0, 201);
    let sender = reqwest::Client::new();
    for (password, status) in [(PASSWORD, 200), ("wrong window thursday", 401), ("", 422)] {
        let body = json!({ "email": "ann@example.com", "password": password });
        let answer = sender.post(format!("{}/api/auth/log-in", program.origin)).json(&body).send().await;
        assert_eq!(answer.unwrap().status(), status);
    }
    let invented = reqwest::Method::from_bytes(b"BREW").unwrap();
    sender.request(invented, format!("{}/nowhere/7", program.origin)).send().await.unwrap();
    Client::new().get(&format!("http://{metrics}"), "/metrics").await.unwrap().1
}

#[rstest]
#[tokio::test]
async fn requests_log_ins_sessions_mails_and_connections_are_counted(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let told = told(kind).await;
    for line in [
        r#"vestibule_requests_total{method="POST",route="/api/auth/log-in",status="200"} 1"#,
        r#"vestibule_requests_total{method="POST",route="/api/auth/log-in",status="401"} 1"#,
        r#"vestibule_request_duration_seconds_count{method="POST",route="/api/auth/log-in"} 3"#,
        r#"vestibule_problems_total{code="invalid_credentials"} 1"#,
        r#"vestibule_log_ins_total{outcome="succeeded"} 1"#,
        r#"vestibule_log_ins_total{outcome="wrong"} 1"#,
        r#"vestibule_log_ins_total{outcome="invalid"} 1"#,
        r#"vestibule_log_ins_total{outcome="limited"} 0"#,
        r#"vestibule_hash_done_total{work="hash"} 3"#,
        "vestibule_users 1",
        "vestibule_sessions 2",
        "vestibule_mails_dead 0",
    ] {
        assert!(told.lines().any(|each| each == line), "{line}: {told}");
    }
    assert!(told.contains(r#"vestibule_requests_total{method="other",route="-""#), "{told}");
    assert!(!told.contains("BREW") && !told.contains("/nowhere") && !told.contains("ann@"), "{told}");
    let pool = if kind == Sqlite { "writer" } else { "all" };
    assert!(
        told.contains(&format!("vestibule_database_connections{{pool=\"{pool}\",state=\"idle\"}}")),
        "{told}"
    );
    let age = told.lines().find_map(|line| line.strip_prefix("vestibule_mails_oldest_seconds ")).unwrap();
    assert!((0.0..60.0).contains(&age.parse::<f64>().unwrap()), "{age}");
}

/// All words that look like the name of a metric.
fn names(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("vestibule_"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_speak_of_metrics_that_there_are() {
    let mut there_are = names(&told(Sqlite).await);
    // Told by a server that speaks https, which tls.rs asks.
    there_are.insert("vestibule_certificate_seconds_left".to_owned());
    serde_json::from_str::<serde_json::Value>(DASHBOARD).expect("the dashboard is JSON");
    for (file, text) in [("dashboard.json", DASHBOARD), ("alerts.yml", ALERTS)] {
        let asked = names(text);
        assert!(asked.len() > 5, "{file}: {asked:?}");
        let unknown: Vec<_> = asked.difference(&there_are).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}, and there are {there_are:?}");
    }
    let shown: BTreeSet<String> = names(DASHBOARD).union(&names(ALERTS)).cloned().collect();
    let base = |name: &String| {
        let suffixes = ["_bucket", "_sum", "_count"];
        suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned()
    };
    let shown: BTreeSet<String> = shown.iter().map(base).collect();
    let hidden: Vec<_> = there_are.iter().map(base).filter(|name| !shown.contains(name)).collect();
    assert!(hidden.is_empty(), "nothing shows {hidden:?}");
}
