//! Letters on the wire, and what is told when they do not arrive.

use rstest::rstest;
use time::macros::datetime;
use vestibule::models::EmailAddress;
use vestibule::ports::MailError;
use vestibule_server::transports::{MailUrl, Patience, Sender};
use vestibule_web::mails::Letter;

use crate::smtp_server::{Manners, SmtpServer};

const SENDER: &str = "Café am Tor <no-reply@example.com>";
const TOKEN: &str = "q7Zk_0vXJx1c-N2bY5sTgHw8RmLpAeDfUiOoKzVyBnE";

fn letter() -> Letter {
    Letter {
        id: "0198-letter.1".into(),
        to: EmailAddress::parse("ann@example.org").unwrap(),
        subject: "Bestätigen\r\nBcc: eve@example.com".into(),
        text: format!("Grüße\n\nhttp://localhost/confirm-email?token={TOKEN}\n.\nend\n"),
        html: "<p>Grüße</p>".into(),
        created_at: datetime!(2026-05-01 12:00 UTC),
    }
}

async fn deliver(url: &str) -> Result<(), MailError> {
    let from: Sender = SENDER.parse().unwrap();
    url.parse::<MailUrl>().unwrap().transport(&from, Patience::default()).unwrap().deliver(&letter()).await
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

/// Final is what is surely about the recipient or the text. What the operator can mend would kill every mail meanwhile.
#[rstest]
#[case("GREETING", "421 busy", false)]
#[case("GREETING", "554 no", false)]
#[case("EHLO", "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", false)]
#[case("AUTH", "535 5.7.8 wrong password", false)]
#[case("MAIL", "550 who are you", false)]
#[case("MAIL", "550 5.1.1 no such sender", false)]
#[case("MAIL", "451 later", false)]
#[case("RCPT", "450 4.2.1 greylisted", false)]
#[case("RCPT", "450 4.1.1 <ann@example.org>: unknown for now", false)]
#[case("RCPT", "550 5.1.1 <Ann@Example.org>: no such user", true)]
#[case("RCPT", "550 no such user (#5.1.1)", true)]
#[case("RCPT", "550 5.1.2 no such host", true)]
#[case("RCPT", "553 5.1.3 no address", true)]
#[case("RCPT", "551 5.1.6 moved", true)]
#[case("RCPT", "556 5.1.10 the domain takes no mail", true)]
#[case("RCPT", "550 5.2.1 the mailbox is disabled", true)]
#[case("RCPT", "550 5.1.11 something new", false)]
#[case("RCPT", "550 No such user here", true)]
#[case("RCPT", "550 relay not permitted", false)]
#[case("RCPT", "550 Sender verify failed", false)]
#[case("RCPT", "553 that domain is not in my list of allowed rcpthosts", false)]
#[case("RCPT", "554 5.7.1 <ann@example.org>: relay access denied", false)]
#[case("RCPT", "550 5.1.8 <no-reply@example.com>: Sender address rejected: Domain not found", false)]
#[case("RCPT", "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", false)]
#[case("RCPT", "552 5.2.2 the mailbox is full", false)]
#[case("DATA", "554 no", false)]
#[case("DATA", "550 5.1.1 no such user", true)]
#[case("DOT", "452 4.3.1 disk full", false)]
#[case("DOT", "554 Message rejected: Email address is not verified", false)]
#[case("DOT", "550 5.7.26 this mail is unauthenticated, set up SPF or DKIM", false)]
#[case("DOT", "554 5.7.1 looks like spam", false)]
#[case("DOT", "550 no", false)]
#[case("DOT", "554 5.6.0 what is this for ann@example.org", true)]
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

/// Filters quote what they dislike, and that is the link that opens the account.
#[tokio::test]
async fn a_server_that_quotes_the_whole_letter_is_told_of_without_any_of_it() {
    let server = SmtpServer::start(Manners { quotes_what_it_refuses: true, ..Manners::default() }).await;
    let quoted = deliver(&format!("smtp://127.0.0.1:{}", server.port)).await.unwrap_err();
    let blocked =
        format!("554 5.7.1 blocked: http://localhost/confirm-email?token={TOKEN} for ann@example.org");
    let answers = vec![("DOT", blocked.leak() as &'static str)];
    let server = SmtpServer::start(Manners { answers, ..Manners::default() }).await;
    let blocked = deliver(&format!("smtp://127.0.0.1:{}", server.port)).await.unwrap_err();
    for error in [quoted, blocked] {
        assert!(matches!(error, MailError::TryAgain(_)), "a filter can be talked to: {error:?}");
        let told = error.to_string();
        assert!(told.contains("127.0.0.1 did not take the message") && told.contains("554"), "{told}");
        assert!(told.chars().count() < 400 && !told.contains(char::is_control), "{told}");
        for piece in TOKEN.as_bytes().windows(8) {
            assert!(!told.contains(std::str::from_utf8(piece).unwrap()), "{told}");
        }
        assert!(!told.contains("ann@example.org") && !told.contains("confirm-email"), "{told}");
    }
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

/// From the answer to the message on it is theirs. To send it again would be to send it sixteen times.
#[rstest]
#[case::falls_silent(Manners { hangs_at: Some("QUIT"), ..Manners::default() })]
#[case::hangs_up(Manners { drops_at: Some("QUIT"), ..Manners::default() })]
#[case::refuses(Manners { answers: vec![("QUIT", "554 stay")], ..Manners::default() })]
#[tokio::test]
async fn a_server_that_does_not_say_good_bye_has_the_mail(#[case] manners: Manners) {
    let server = SmtpServer::start(manners).await;
    let limit = std::time::Duration::from_millis(500);
    let url: MailUrl = format!("smtp://127.0.0.1:{}", server.port).parse().unwrap();
    let from: Sender = SENDER.parse().unwrap();
    url.transport(&from, Patience::of(limit)).unwrap().deliver(&letter()).await.unwrap();
    assert_eq!(server.messages().len(), 1);
}

/// A stop must not wait for servers that hang, nor leave a mail half said.
#[rstest]
#[case::before_the_letter("RCPT", false)]
#[case::with_the_letter("DOT", true)]
#[tokio::test]
async fn a_stop_ends_what_was_not_handed_over_and_waits_for_what_was(
    #[case] at: &'static str,
    #[case] arrives: bool,
) {
    let is_slow_at = Some((at, std::time::Duration::from_secs(1)));
    let server = SmtpServer::start(Manners { is_slow_at, ..Manners::default() }).await;
    let url: MailUrl = format!("smtp://127.0.0.1:{}", server.port).parse().unwrap();
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let transport = url.transport(&SENDER.parse().unwrap(), Patience::until(stopping)).unwrap();
    let delivery = tokio::spawn(async move { transport.deliver(&letter()).await });
    while !server.lines().iter().any(|line| line.starts_with(if arrives { "DATA" } else { "RCPT" })) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // The letter follows at once on DATA.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    stop.send_replace(true);
    let outcome = delivery.await.unwrap();
    if arrives {
        outcome.unwrap();
    } else {
        let Err(MailError::TryAgain(told)) = outcome else { panic!("{outcome:?}") };
        assert!(told.contains("asked to stop"), "{told}");
    }
    assert_eq!(server.messages().len(), usize::from(arrives));
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
        let outcome = url.transport(&from, Patience::of(limit)).unwrap().deliver(&letter()).await;
        let Err(MailError::TryAgain(told)) = outcome else { panic!("{at}: {outcome:?}") };
        assert!(told.contains("no end after 0.15 s"), "{told}");
    }
}
