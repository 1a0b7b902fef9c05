//! Letters on the wire, and what is told when they do not arrive.

use rstest::rstest;
use time::macros::datetime;
use vestibule::models::EmailAddress;
use vestibule::ports::MailError;
use vestibule_server::transports::{MailUrl, Sender};
use vestibule_web::mails::Letter;

use crate::smtp_server::{Manners, SmtpServer};

const SENDER: &str = "Café am Tor <no-reply@example.com>";

fn letter() -> Letter {
    Letter {
        id: "0198-letter.1".into(),
        to: EmailAddress::parse("ann@example.org").unwrap(),
        subject: "Bestätigen\r\nBcc: eve@example.com".into(),
        text: "Grüße\n\nhttp://localhost/confirm-email?token=abc\n.\nend\n".into(),
        html: "<p>Grüße</p>".into(),
        created_at: datetime!(2026-05-01 12:00 UTC),
    }
}

async fn deliver(url: &str) -> Result<(), MailError> {
    let from: Sender = SENDER.parse().unwrap();
    url.parse::<MailUrl>().unwrap().transport(&from).unwrap().deliver(&letter()).await
}

/// The address of a server with TLS, trusted by its own certificate.
fn trusted(server: &SmtpServer, scheme: &str) -> String {
    format!("{scheme}://ann:p%40ss+1@localhost:{}?ca={}", server.port, server.authority().display())
}

fn starttls() -> Manners {
    Manners { offers_starttls: true, ..Manners::default() }
}

#[tokio::test]
async fn a_letter_arrives_with_its_headers_and_both_texts() {
    let server = SmtpServer::start(Manners::default()).await;
    deliver(&format!("smtp://127.0.0.1:{}", server.port)).await.unwrap();
    let messages = server.messages();
    assert_eq!(messages.len(), 1);
    let (head, body) = messages[0].split_once("\n\n").unwrap();
    for line in [
        "To: ann@example.org",
        "Date: Fri, 01 May 2026 12:00:00 +0000",
        "Message-ID: <0198-letter.1@example.com>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ] {
        assert!(head.lines().any(|header| header == line), "{line}: {head}");
    }
    assert!(head.contains("<no-reply@example.com>") && head.contains("multipart/alternative"), "{head}");
    let headers = |name: &str| head.lines().filter(|line| line.to_lowercase().starts_with(name)).count();
    assert_eq!(
        (headers("bcc"), headers("to:"), headers("from:"), headers("subject:")),
        (0, 1, 1, 1),
        "{head}"
    );
    assert!(body.contains("text/plain") && body.contains("text/html") && body.contains("end"), "{body}");
    let recipients: Vec<_> = server.lines().into_iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(recipients, ["RCPT TO:<ann@example.org>"]);
    assert_eq!(server.lines()[0], "EHLO example.com");
}

#[tokio::test]
async fn with_tls_nothing_but_the_greeting_is_said_before_it() {
    let server = SmtpServer::start(starttls()).await;
    deliver(&format!("{}&tls=starttls", trusted(&server, "smtp"))).await.unwrap();
    let lines = server.lines();
    let began = lines.iter().position(|line| line == "TLS").unwrap();
    assert_eq!(lines[..began], ["EHLO example.com", "STARTTLS"]);
    assert!(lines[began..].iter().any(|line| line.starts_with("AUTH PLAIN")), "{lines:?}");

    let implicit = SmtpServer::start(Manners { is_implicit: true, ..Manners::default() }).await;
    deliver(&trusted(&implicit, "smtps")).await.unwrap();
    assert_eq!(implicit.lines()[0], "TLS");
    assert_eq!((server.messages().len(), implicit.messages().len()), (1, 1));
}

#[rstest]
#[case::implicit("smtps", "")]
#[case::starttls("smtp", "?tls=starttls")]
#[tokio::test]
async fn a_refused_certificate_is_told_and_nothing_is_sent(#[case] scheme: &str, #[case] query: &str) {
    let is_implicit = scheme == "smtps";
    let server = SmtpServer::start(Manners { is_implicit, ..starttls() }).await;
    let refused = deliver(&format!("{scheme}://ann:secret@localhost:{}{query}", server.port)).await;
    let Err(MailError::TryAgain(told)) = refused else { panic!("{refused:?}") };
    assert!(told.contains("certificate of localhost is not trusted") && told.contains("?ca="), "{told}");
    assert!(!server.lines().iter().any(|line| line.starts_with("AUTH") || line.starts_with("RCPT")));
}

#[tokio::test]
async fn a_server_that_offers_no_tls_is_not_spoken_to() {
    let server = SmtpServer::start(Manners::default()).await;
    let refused = deliver(&format!("{}&tls=starttls", trusted(&server, "smtp"))).await;
    let Err(MailError::TryAgain(told)) = refused else { panic!("{refused:?}") };
    assert!(told.contains("offers no STARTTLS"), "{told}");
    assert!(!server.lines().iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")));
}

#[rstest]
#[case("GREETING", "421 busy", false)]
#[case("GREETING", "554 no", false)]
#[case("AUTH", "535 5.7.8 wrong password", false)]
#[case("MAIL", "550 who are you", false)]
#[case("MAIL", "451 later", false)]
#[case("RCPT", "450 4.2.1 greylisted", false)]
#[case("RCPT", "550 5.1.1 <Ann@Example.org>: no such user", true)]
#[case("RCPT", "554 5.7.1 <ann@example.org>: relay access denied", false)]
#[case("DATA", "554 no", false)]
#[case("DOT", "452 4.3.1 disk full", false)]
#[case("DOT", "554 5.6.0 looks like spam to ann@example.org", true)]
#[tokio::test]
async fn what_the_server_refuses_for_good_is_told_from_what_may_go_later(
    #[case] at: &'static str,
    #[case] answer: &'static str,
    #[case] is_refused: bool,
) {
    let server = SmtpServer::start(Manners { answers: vec![(at, answer)], ..Manners::default() }).await;
    let error = deliver(&format!("smtp://ann:secret@127.0.0.1:{}", server.port)).await.unwrap_err();
    assert_eq!(matches!(error, MailError::Refused(_)), is_refused, "{error:?}");
    let told = error.to_string();
    assert!(told.contains("127.0.0.1") && told.contains(&answer[..3]), "{told}");
    assert!(!told.to_lowercase().contains("ann@example.org") && !told.contains("secret"), "{told}");
    assert!(server.messages().is_empty());
}

#[rstest]
#[case("EHLO")]
#[case("MAIL")]
#[case("BODY")]
#[case("DOT")]
#[tokio::test]
async fn a_connection_that_breaks_is_tried_again(#[case] at: &'static str) {
    let server = SmtpServer::start(Manners { drops_at: Some(at), ..Manners::default() }).await;
    let url = format!("smtp://127.0.0.1:{}", server.port);
    assert!(matches!(deliver(&url).await, Err(MailError::TryAgain(_))));
    server.behave(Manners::default());
    deliver(&url).await.unwrap();
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn who_does_not_listen_is_tried_again() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Err(MailError::TryAgain(told)) = deliver(&format!("smtp://127.0.0.1:{port}")).await else {
        panic!("nobody listens")
    };
    assert!(told.contains("could not be reached"), "{told}");
}

#[tokio::test]
async fn a_server_that_hangs_is_left_at_the_limit() {
    let limit = std::time::Duration::from_millis(150);
    let from: Sender = SENDER.parse().unwrap();
    for at in ["GREETING", "EHLO", "RCPT", "BODY", "DOT"] {
        let server = SmtpServer::start(Manners { hangs_at: Some(at), ..Manners::default() }).await;
        let url: MailUrl = format!("smtp://127.0.0.1:{}", server.port).parse().unwrap();
        let outcome = url.transport_within(limit, &from).unwrap().deliver(&letter()).await;
        let Err(MailError::TryAgain(told)) = outcome else { panic!("{at}: {outcome:?}") };
        assert!(told.contains("no end after 0.15 s"), "{told}");
    }
}
