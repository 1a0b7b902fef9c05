use reqwest::Method;
use rstest::rstest;
use time::macros::datetime;
use vestibule::models::EmailAddress;
use vestibule_testkit::DatabaseKind::{self, Sqlite};
use vestibule_testkit::{ServerOptions, TestDatabase, TestServer};
use vestibule_web::DevMailbox;
use vestibule_web::mails::{Letter, Transport};

fn letter(number: u32) -> Letter {
    Letter {
        id: format!("letter-{number}.1"),
        to: EmailAddress::parse("ann@example.com").expect("a test's address is one"),
        subject: format!("Letter <{number}>"),
        text: format!("Open\n\nhttp://localhost:3000/confirm-email?token=t{number}\n"),
        html: format!("<!doctype html><p>Letter {number}</p><script>alert(1)</script>"),
        created_at: datetime!(2026-05-01 12:00 UTC),
    }
}

async fn server_with_mailbox() -> (TestServer, DevMailbox) {
    let mailbox = DevMailbox::default();
    let options = ServerOptions { dev_mailbox: Some(mailbox.clone()), ..ServerOptions::default() };
    (TestServer::start_on(&TestDatabase::create(Sqlite).await, options).await, mailbox)
}

#[tokio::test]
async fn mails_are_shown_newest_first_with_their_links() {
    let (server, mailbox) = server_with_mailbox().await;
    let anonymous = server.anonymous();
    assert_eq!(anonymous.get("/dev/mailbox.json").await.json(), serde_json::json!([]));
    assert!(anonymous.get("/dev/mailbox").await.text.contains("No mail yet"));
    for number in [1, 2] {
        mailbox.deliver(&letter(number)).await.unwrap();
    }
    let list = anonymous.get("/dev/mailbox.json").await;
    insta::assert_json_snapshot!(list.json()[0], @r#"
    {
      "created_at": "2026-05-01T12:00:00Z",
      "html": "<!doctype html><p>Letter 2</p><script>alert(1)</script>",
      "subject": "Letter <2>",
      "text": "Open\n\nhttp://localhost:3000/confirm-email?token=t2\n",
      "to": "ann@example.com"
    }
    "#);
    assert_eq!(list.header("cache-control"), Some("private, no-store"));
    let page = anonymous.get("/dev/mailbox").await.text;
    assert!(page.contains("href=\"http://localhost:3000/confirm-email?token=t2\""), "{page}");
    assert!(page.contains("Letter &#60;2&#62;") && !page.contains("<script>alert"), "{page}");

    let html = anonymous.get("/dev/mailbox/letter-1.1").await;
    assert!(html.text.contains("Letter 1"));
    let policy = html.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    assert_eq!(anonymous.get("/dev/mailbox/letter-9.1").await.status, 404);
}

#[tokio::test]
async fn a_name_that_leads_here_from_elsewhere_reads_nothing() {
    let (server, mailbox) = server_with_mailbox().await;
    mailbox.deliver(&letter(1)).await.unwrap();
    for host in ["evil.test", "evil.test:3000", "localhost.evil.test", "127.0.0.1.evil.test", ""] {
        for path in ["/dev/mailbox", "/dev/mailbox.json", "/dev/mailbox/letter-1.1"] {
            let answer = server.anonymous().send(Method::GET, path, &[("host", host)], "").await;
            assert_eq!(answer.status, 404, "{host} {path}");
        }
    }
    for host in ["localhost", "localhost:3000", "127.0.0.1:8080", "[::1]:3000", "shop.localhost:3000"] {
        let answer = server.anonymous().send(Method::GET, "/dev/mailbox.json", &[("host", host)], "").await;
        assert_eq!(answer.status, 200, "{host}");
    }
}

/// What listens on every address is asked by strangers too, and they write whatever `Host` opens it.
#[tokio::test]
async fn another_machine_reads_nothing_whatever_name_it_asks_by() {
    let paths = ["/dev/mailbox", "/dev/mailbox.json", "/dev/mailbox/letter-1.1"];
    let mailbox = DevMailbox::default();
    mailbox.deliver(&letter(1)).await.unwrap();
    let options = ServerOptions {
        dev_mailbox: Some(mailbox.clone()),
        trusted_proxies: "127.0.0.1".parse().unwrap(),
        ..ServerOptions::default()
    };
    let behind_proxy = TestServer::start_on(&TestDatabase::create(Sqlite).await, options).await;
    let (alone, own) = server_with_mailbox().await;
    own.deliver(&letter(1)).await.unwrap();
    for path in paths {
        for (forwarded, status) in [
            (("x-forwarded-for", "203.0.113.9"), 404),
            (("x-forwarded-for", "127.0.0.1, 203.0.113.9"), 404),
            (("x-forwarded-for", "nonsense"), 404),
            (("forwarded", "for=203.0.113.9"), 404),
            (("x-forwarded-for", "127.0.0.1"), 200),
        ] {
            let headers = [("host", "localhost"), forwarded];
            let answer = behind_proxy.anonymous().send(Method::GET, path, &headers, "").await;
            assert_eq!(answer.status, status, "{path} {forwarded:?}");
        }
        // A proxy that is not trusted hides who asks, and what a client claims is not believed either.
        for forwarded in [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1")] {
            let headers = [("host", "localhost"), forwarded];
            let answer = alone.anonymous().send(Method::GET, path, &headers, "").await;
            assert_eq!(answer.status, 404, "{path} {forwarded:?}");
        }
        assert_eq!(alone.anonymous().send(Method::GET, path, &[("host", "localhost")], "").await.status, 200);
    }
}

#[rstest]
#[tokio::test]
async fn without_a_development_mailbox_there_is_nothing(#[values(Sqlite)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    for path in ["/dev/mailbox", "/dev/mailbox.json", "/dev/mailbox/letter-1.1"] {
        assert_eq!(server.anonymous().get(path).await.status, 404, "{path}");
    }
}
