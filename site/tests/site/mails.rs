//! The real program, a mail server of somebody else's making, and the links that arrive.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use crate::mail_server::{MailServer, Received};

const PASSWORD: &str = "copper window thursday";
const NEW: &str = "velvet orchard seventeen";

/// The site as its owner starts it.
struct Site {
    child: Child,
    origin: String,
    // Kept open, for a program whose output nobody takes any more must not break.
    _output: BufReader<std::process::ChildStdout>,
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_site"));
    #[expect(clippy::disallowed_methods, reason = "to take away what this machine may have set")]
    let variables = std::env::vars_os();
    for (name, _) in variables {
        if name.to_string_lossy().starts_with("VESTIBULE_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command.current_dir(folder);
    command
}

impl Site {
    fn start(folder: &Path, mail_url: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let origin = format!("http://localhost:{port}");
        let mut command = command(folder);
        command
            .env("VESTIBULE_LISTEN", format!("127.0.0.1:{port}"))
            .env("VESTIBULE_PUBLIC_URL", &origin)
            .env("VESTIBULE_SITE_NAME", "Café am Tor")
            .env("VESTIBULE_MAIL_URL", mail_url)
            .env("VESTIBULE_MAIL_FROM", "Café am Tor <no-reply@example.com>");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(line.contains(&origin), "the address is printed: {line:?}");
        Self { child, origin, _output: output }
    }

    async fn post(&self, path: &str, cookies: &str, body: Value) -> (u16, String) {
        let csrf =
            cookies.split("; ").find_map(|cookie| cookie.strip_prefix("vestibule_csrf=")).unwrap_or_default();
        let request = reqwest::Client::new().post(format!("{}{path}", self.origin)).json(&body);
        let answer = request.header("cookie", cookies).header("x-csrf-token", csrf).send().await.unwrap();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let cookies = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        let cookies: Vec<_> = cookies.collect();
        (answer.status().as_u16(), cookies.join("; "))
    }

    /// Opens a link as a person does, which changes nothing, and gives its token.
    async fn open<'a>(&self, link: &'a str) -> &'a str {
        let page = reqwest::get(link).await.unwrap();
        assert_eq!(page.status(), 200, "{link}");
        let (address, token) = link.split_once("?token=").unwrap();
        assert!(address.starts_with(&self.origin), "{link}");
        token
    }

    async fn can_log_in(&self, email: &str, password: &str) -> bool {
        self.post("/api/auth/log-in", "", json!({ "email": email, "password": password })).await.0 == 200
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last of so many mails to an address.
async fn last(server: &MailServer, address: &str, count: usize) -> Received {
    for _ in 0..200 {
        let mut mails = server.mails_to(address);
        if mails.len() >= count {
            assert_eq!(mails.len(), count, "{address}");
            return mails.pop().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("mail {count} to {address} does not arrive: {}", server.log());
}

#[rstest]
#[case::starttls(MailServer::with_starttls)]
#[case::implicit(MailServer::with_tls)]
#[tokio::test]
async fn the_links_of_mails_work_that_a_real_mail_server_took(#[case] url: fn(&MailServer) -> String) {
    let (server, folder) = (MailServer::start().await, tempfile::tempdir().unwrap());
    let site = Site::start(folder.path(), &url(&server));
    let (ann, new) = ("ann@example.com", "ann.new@example.com");

    let typed = json!({ "name": "Ann", "email": ann, "password": PASSWORD });
    let (status, signed_up) = site.post("/api/auth/sign-up", "", typed).await;
    assert_eq!(status, 201);
    let mail = last(&server, ann, 1).await;
    site.open(mail.link()).await;
    assert_eq!(mail.link_in_html(), mail.link(), "both parts lead to the same place");
    assert_eq!(site.post("/api/auth/confirm-email/resend", &signed_up, json!({})).await.0, 202);
    let resent = last(&server, ann, 2).await;
    let (status, _) = site
        .post("/api/auth/confirm-email", "", json!({ "token": mail.token(), "password": PASSWORD }))
        .await;
    assert_eq!(status, 400, "a newer one was sent after it");
    let token = site.open(resent.link()).await;
    let (status, _) =
        site.post("/api/auth/confirm-email", "", json!({ "token": token, "password": PASSWORD })).await;
    assert_eq!(status, 200);

    assert_eq!(site.post("/api/auth/forgot-password", "", json!({ "email": ann })).await.0, 202);
    let mail = last(&server, ann, 3).await;
    let token = site.open(mail.link()).await;
    let typed = json!({ "token": token, "password": NEW });
    assert_eq!(site.post("/api/auth/reset-password", "", typed.clone()).await.0, 204);
    assert_eq!(site.post("/api/auth/reset-password", "", typed).await.0, 400, "once");
    assert!(site.can_log_in(ann, NEW).await && !site.can_log_in(ann, PASSWORD).await);

    let (_, cookies) = site.post("/api/auth/log-in", "", json!({ "email": ann, "password": NEW })).await;
    let typed = json!({ "email": new, "current_password": NEW });
    assert_eq!(site.post("/api/account/email", &cookies, typed).await.0, 202);
    let mail = last(&server, new, 1).await;
    let token = site.open(mail.link()).await;
    let (status, _) =
        site.post("/api/auth/confirm-email", "", json!({ "token": token, "password": NEW })).await;
    assert_eq!(status, 200);
    assert!(site.can_log_in(new, NEW).await && !site.can_log_in(ann, NEW).await);

    let mut mails = Vec::new();
    for _ in 0..200 {
        mails = server.mails_to(ann);
        if mails.iter().any(|mail| mail.text.contains("the last mail")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        mails.iter().any(|mail| mail.text.contains("the last mail")),
        "the notice of the change: {}",
        server.log()
    );
    mails.extend(server.mails_to(new));
    assert!(mails.len() >= 6, "two links, the reset, the wish, the change, and what went to the new address");
    let numbers: BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID").to_owned()).collect();
    assert_eq!(numbers.len(), mails.len(), "each is a message of its own");
    for mail in &mails {
        assert_eq!(mail.header("To"), mail.header("Envelope-to"), "one recipient, who is on the envelope");
        assert!(!mail.has("Cc") && !mail.has("Bcc"));
        assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
        assert_eq!(mail.header("Return-path"), "<no-reply@example.com>");
        assert!(mail.header("Message-ID").ends_with("@example.com>"), "{}", mail.header("Message-ID"));
        assert!(mail.header("From").contains("<no-reply@example.com>"), "{}", mail.header("From"));
        assert!(mail.header("Date").ends_with(" +0000") && mail.header("MIME-Version") == "1.0");
        // Exim's word for a mail that came over TLS from who had logged in.
        assert!(mail.header("Received").contains("esmtpsa"), "{}", mail.header("Received"));
        assert!(mail.text.contains("Café am Tor") || mail.text.contains("Caf=C3=A9 am Tor"), "{}", mail.text);
    }
}

/// What the server refuses because of us waits until the operator has mended it; what it refuses because of the recipient
/// is over.
#[tokio::test]
async fn a_real_mail_server_that_refuses_us_has_not_refused_the_mail() {
    let (server, folder) = (MailServer::start().await, tempfile::tempdir().unwrap());
    let wrong_password = server.with_starttls().replace("p%40ss", "p%40zz");
    for (url, email, state, words) in [
        (wrong_password, "ann@example.com", "waiting", "did not let us log in"),
        (server.with_starttls(), "ann@elsewhere.example", "waiting", "relay not permitted"),
        (server.with_starttls(), "nobody@example.com", "dead", "no such mailbox"),
    ] {
        let site = Site::start(folder.path(), &url);
        let typed = json!({ "name": "Ann", "email": email, "password": PASSWORD });
        assert_eq!(site.post("/api/auth/sign-up", "", typed).await.0, 201);
        let mut told = String::new();
        for _ in 0..100 {
            let list =
                command(folder.path()).args(["mail", "list", "--state", state, "--json"]).output().unwrap();
            told = String::from_utf8(list.stdout).unwrap();
            if told.contains(words) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(told.contains(words), "{words}: {told} {}", server.log());
    }
}
