//! What an operator sees of mails in trouble: the log and the metrics.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Client, Program, command, run};
use crate::smtp_server::{Manners, SmtpServer};

struct Watched {
    program: Program,
    metrics: String,
    log: PathBuf,
    _folder: TempDir,
}

fn start(server: &SmtpServer, more: &[(&str, &str)]) -> Watched {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mail = format!("smtp://127.0.0.1:{}", server.port);
    let usual = [
        ("VESTIBULE_MAIL_URL", mail.as_str()),
        ("VESTIBULE_METRICS_LISTEN", &metrics),
        ("VESTIBULE_LOG_FORMAT", "json"),
    ];
    let settings = [&usual[..], more].concat();
    let program = Program::start_logging(folder.path(), None, &settings, File::create(&log).unwrap());
    Watched { program, metrics: format!("http://{metrics}"), log, _folder: folder }
}

impl Watched {
    /// The first line of the log that says something.
    async fn line(&self, words: &str) -> Value {
        for _ in 0..200 {
            let log = std::fs::read_to_string(&self.log).unwrap();
            if let Some(line) = log.lines().find(|line| line.contains(words)) {
                return serde_json::from_str(line).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nothing in the log says `{words}`: {}", std::fs::read_to_string(&self.log).unwrap());
    }

    async fn metrics(&self) -> String {
        Client::new().get(&self.metrics, "/metrics").await.unwrap().1
    }
}

#[tokio::test]
async fn a_mail_that_is_given_up_is_an_error_in_the_log_and_a_number_in_the_metrics() {
    let answers = vec![("RCPT", "550 5.1.1 <ann@example.com>: no such user")];
    let server = SmtpServer::start(Manners { answers, ..Manners::default() }).await;
    let watched = start(&server, &[]);
    assert!(watched.metrics().await.contains("\nvestibule_mails_dead 0\n"));
    assert_eq!(Client::new().sign_up(&watched.program.origin, "ann").await.unwrap().0, 201);
    let line = watched.line("mail given up").await;
    assert_eq!(line["level"], "ERROR", "{line}");
    let told = line.to_string();
    assert!(told.contains("no such user") && told.contains("confirm_email"), "{told}");
    assert!(!told.contains("ann@example.com"), "{told}");
    let metrics = watched.metrics().await;
    for number in [
        "vestibule_mails_dead 1",
        "vestibule_mails_waiting 0",
        "vestibule_mail_attempts_total{outcome=\"given_up\"} 1",
    ] {
        assert!(metrics.lines().any(|line| line == number), "{number}: {metrics}");
    }
}

#[tokio::test]
async fn a_day_whose_mails_are_used_up_is_a_warning_that_names_the_setting() {
    let server = SmtpServer::start(Manners::default()).await;
    // One of the two is kept for password resets.
    let watched = start(&server, &[("VESTIBULE_MAIL_DAILY_LIMIT", "2")]);
    for name in ["ann", "bob"] {
        assert_eq!(Client::new().sign_up(&watched.program.origin, name).await.unwrap().0, 201);
    }
    let line = watched.line("VESTIBULE_MAIL_DAILY_LIMIT").await;
    assert_eq!(line["level"], "WARN", "{line}");
    watched.line("mail sent").await;
    let metrics = watched.metrics().await;
    for number in ["vestibule_mails_waiting 1", "vestibule_mail_attempts_total{outcome=\"postponed\"} 1"] {
        assert!(metrics.lines().any(|line| line == number), "{number}: {metrics}");
    }
    assert_eq!(server.messages().len(), 1);
}

/// On the day that mails get a way, nobody looks at the templates.
#[test]
fn a_wrong_template_stops_the_start_also_where_mails_have_no_way_yet() {
    let folder = tempfile::tempdir().unwrap();
    let templates = folder.path().join("mails");
    std::fs::create_dir(&templates).unwrap();
    std::fs::write(templates.join("reset_password.txt"), "Subject: Reset\n\nHello, {{ nobody }}\n").unwrap();
    let (output, told) = run(command(folder.path())
        .env("VESTIBULE_LISTEN", "127.0.0.1:0")
        .env("VESTIBULE_PUBLIC_URL", "https://example.com")
        .env("VESTIBULE_SECRET_KEY", &*vestibule_testkit::secret_key().to_base64())
        .env("VESTIBULE_MAIL_TEMPLATES", &templates));
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("VESTIBULE_MAIL_TEMPLATES") && told.contains("reset_password.txt"), "{told}");
}
