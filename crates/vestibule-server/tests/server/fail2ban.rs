//! The lines that the real program leaves, read by the real `fail2ban-regex` with the filter that is shipped.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use crate::program::{PASSWORD, Program};

const FILTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/fail2ban/filter.d/vestibule.conf");

/// The addresses that fail2ban would count, one for each line.
fn counted(log: &Path) -> Vec<String> {
    let output = Command::new("fail2ban-regex").args(["--out", "ip"]).arg(log).arg(FILTER).output();
    let output = output.expect(
        "fail2ban-regex is missing: install fail2ban (`apt-get install fail2ban`), or run `cargo xtask test` as root",
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[rstest]
#[tokio::test]
async fn fail2ban_counts_wrong_passwords_and_refusals_and_nothing_that_a_client_makes_up(
    #[values("pretty", "json")] format: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let settings =
        [("VESTIBULE_LOG_FORMAT", format), ("VESTIBULE_TRUSTED_PROXIES", "127.0.0.1"), ("RUST_LOG", "debug")];
    let program = Program::start_logging(folder.path(), None, &settings, File::create(&log).unwrap());
    let client = reqwest::Client::new();
    let send = async |path: &str, from: &str, agent: &str, body: serde_json::Value| {
        let request =
            client.post(format!("{}{path}", program.origin)).json(&body).header("user-agent", agent);
        request.header("x-forwarded-for", from).send().await.unwrap().status().as_u16()
    };
    let log_in = |email: &str| json!({ "email": email, "password": "wrong window thursday" });
    let ann = json!({ "name": "Ann", "email": "ann@example.com", "password": PASSWORD });
    assert_eq!(send("/api/auth/sign-up", "203.0.113.1", "x", ann.clone()).await, 201);

    // What is counted.
    assert_eq!(send("/api/auth/log-in", "203.0.113.1", "x", log_in("ann@example.com")).await, 401);
    assert_eq!(send("/api/auth/log-in", "203.0.113.2", "x", log_in("nobody@example.com")).await, 401);
    assert_eq!(send("/api/auth/log-in", "2001:db8::7", "x", log_in("nobody@example.com")).await, 401);
    let page = client
        .post(format!("{}/log-in", program.origin))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("email=ann%40example.com&password=wrong");
    assert_eq!(page.header("x-forwarded-for", "203.0.113.3").send().await.unwrap().status(), 401);
    let mut expected: Vec<String> =
        ["203.0.113.1", "203.0.113.2", "2001:db8::7", "203.0.113.3"].map(str::to_owned).into();
    loop {
        let status = send("/api/auth/log-in", "203.0.113.4", "x", log_in("ann@example.com")).await;
        expected.push("203.0.113.4".to_owned());
        if status == 429 {
            break;
        }
        assert!(status == 401 && expected.len() < 100);
    }

    // What is not: a right password, and lines that a client would like to write, about somebody else.
    assert_eq!(send("/api/auth/log-in", "203.0.113.5", "x", ann).await, 200);
    let claims = [
        "refused attempt: invalid_credentials from 198.51.100.1",
        "2026-05-01T12:00:00.000000Z  WARN refused attempt: invalid_credentials from 198.51.100.1",
        "\",\"level\":\"WARN\",\"message\":\"refused attempt: invalid_credentials from 198.51.100.1\"",
        "x\n2026-05-01T12:00:00.000000Z  WARN refused attempt: invalid_credentials from 198.51.100.1 request_id=1",
        "x\r\n{\"timestamp\":\"2026-05-01T12:00:00.000000Z\",\"level\":\"WARN\",\"message\":\"refused attempt: invalid_credentials from 198.51.100.1\"}",
        "x\u{2028}2026-05-01T12:00:00.000000Z  WARN refused attempt: invalid_credentials from 198.51.100.1 ",
    ];
    for claim in claims {
        let agent: String = claim.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect();
        assert_eq!(send("/api/auth/log-in", "203.0.113.6", &agent, log_in(claim)).await, 422);
        expected.push("203.0.113.7".to_owned());
        let inside = format!("\"{}\"@example.com", agent.replace(['"', '\\'], ""));
        let status = send("/api/auth/log-in", "203.0.113.7", &agent, log_in(&inside)).await;
        if status != 401 {
            assert_eq!(status, 422);
            expected.pop();
        }
        let body =
            json!({ "name": claim, "email": format!("u{}@example.com", claim.len()), "password": PASSWORD });
        send("/api/auth/sign-up", "203.0.113.6", &agent, body).await;
        let path: String = url::form_urlencoded::byte_serialize(claim.as_bytes()).collect();
        assert_eq!(send(&format!("/{path}"), "203.0.113.6", &agent, json!({})).await, 404);
        assert_eq!(send(&format!("/api/auth/log-in?{path}"), "203.0.113.6", &agent, json!({})).await, 422);
        // As the address itself.
        assert_eq!(send("/api/auth/log-in", &agent, &agent, log_in("other@example.com")).await, 401);
    }

    // Nor what another site can make the browser of somebody else send, and what an account may not do: people read of it.
    let ann = json!({ "email": "ann@example.com", "password": PASSWORD });
    let post = client.post(format!("{}/api/auth/log-in", program.origin)).json(&ann);
    let foreign = post.header("sec-fetch-site", "cross-site").header("x-forwarded-for", "203.0.113.8");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    let post = client.post(format!("{}/api/auth/log-in", program.origin)).json(&ann);
    let logged_in = post.header("x-forwarded-for", "203.0.113.9").send().await.unwrap();
    let set = logged_in.headers().get_all("set-cookie").iter();
    let cookies: Vec<&str> = set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap()).collect();
    let admin = client.get(format!("{}/admin", program.origin)).header("cookie", cookies.join("; "));
    assert_eq!(admin.header("x-forwarded-for", "203.0.113.9").send().await.unwrap().status(), 403);

    drop(program);
    assert_eq!(counted(&log), expected);
    let text = std::fs::read_to_string(&log).unwrap();
    for told in
        ["refused request: csrf_failed from 203.0.113.8", "refused request: forbidden from 203.0.113.9"]
    {
        let mut lines = text.lines().filter(|line| line.contains(told));
        assert!(lines.next().is_some_and(|line| line.contains("WARN")) && lines.next().is_none(), "{told}");
    }

    // Within journald each line has the name of the program before it.
    let journal = folder.path().join("journal");
    let lines = text.lines().map(|line| format!("2026-05-01T12:00:00.000000Z host vestibule[17]: {line}\n"));
    std::fs::write(&journal, lines.collect::<String>()).unwrap();
    assert_eq!(counted(&journal), expected);
}

/// Refusals are told after a moment: who does not wait for it is counted all the same.
#[tokio::test]
async fn who_hangs_up_before_a_refusal_is_told_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let program = Program::start_logging(folder.path(), None, &[], File::create(&log).unwrap());
    let body = json!({ "email": "ann@example.com", "password": "wrong window thursday" });
    let client = reqwest::Client::new();
    let url = format!("{}/api/auth/log-in", program.origin);
    let mut tries = 0;
    while client.post(&url).json(&body).send().await.unwrap().status() != 429 {
        tries += 1;
        assert!(tries < 100, "never refused");
    }
    let before = counted(&log).len();
    for _ in 0..5 {
        let impatient = client.post(&url).json(&body).timeout(Duration::from_millis(40));
        assert!(impatient.send().await.is_err(), "nothing is told within 40 ms");
    }
    for _ in 0..100 {
        if counted(&log).len() == before + 5 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} of 5 are counted", counted(&log).len() - before);
}
