//! The real program orders certificates from Pebble; certbot does, beside it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration as Wait;

use time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vestibule::models::{AcmeChallenge, SecretKey};
use vestibule::ports::{Clock, OsRandom, SystemClock};
use vestibule::repository::Certificates;
use vestibule_sql::Database;
use vestibule_testkit::{DatabaseKind, TestDatabase};

use crate::pebble::{Pebble, Place, Plan};
use crate::program::{Program, free_port};
use crate::tls_client::TlsClient;

const HOST: &str = "site.example";
const MORE: &str = "www.site.example";

/// A server that orders its certificate.
struct Site {
    folder: tempfile::TempDir,
    port: u16,
    http_port: u16,
    secret: String,
    directory: String,
    root: String,
}

impl Site {
    fn new(place: &Place) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            http_port: free_port(),
            secret: SecretKey::generate(&OsRandom).to_base64().to_string(),
            directory: place.directory(),
            root: place.root(),
        }
    }

    /// Another server of the same installation.
    fn beside(&self) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            http_port: free_port(),
            secret: self.secret.clone(),
            directory: self.directory.clone(),
            root: self.root.clone(),
        }
    }

    fn plan(&self, lifetime: Duration) -> Plan {
        Plan { tls_port: self.port, http_port: self.http_port, lifetime }
    }

    fn start(&self) -> Program {
        self.start_on(None)
    }

    fn start_on(&self, database: Option<&str>) -> Program {
        let http = format!("127.0.0.1:{}", self.http_port);
        let url = format!("https://{HOST}");
        let settings = [
            ("VESTIBULE_TLS", "acme"),
            ("VESTIBULE_PUBLIC_URL", &url),
            ("VESTIBULE_SECRET_KEY", &self.secret),
            ("VESTIBULE_TLS_DOMAINS", MORE),
            ("VESTIBULE_LISTEN_HTTP", &http),
            ("VESTIBULE_ACME_DIRECTORY", &self.directory),
            ("VESTIBULE_ACME_ROOT", &self.root),
            ("VESTIBULE_ACME_CONTACT", "admin@site.example"),
        ];
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        Program::start_on(self.port, self.folder.path(), database, &settings, log)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    /// How often the log says so. Its lines come a moment after what they tell.
    async fn has_logged(&self, words: &str) -> usize {
        let count = || self.log().matches(words).count();
        let mut counted = 0;
        for _ in 0..10 {
            tokio::time::sleep(Wait::from_millis(50)).await;
            let before = std::mem::replace(&mut counted, count());
            if counted > 0 && counted == before {
                break;
            }
        }
        counted
    }

    async fn client(&self, pebble: &Pebble) -> TlsClient {
        TlsClient::new(&pebble.root().await, self.port, HOST)
    }

    /// Waits for the site to be served with a certificate of a Pebble other than `not`.
    async fn certificate(&self, pebble: &Pebble, not: &[u8]) -> Vec<u8> {
        let client = self.client(pebble).await;
        let mut last = String::new();
        for _ in 0..600 {
            match client.get("/healthz").await {
                Ok(answer) if answer.status == 200 && answer.certificate != not => {
                    return answer.certificate;
                }
                Ok(answer) => last = answer.text,
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Wait::from_millis(100)).await;
        }
        panic!("no (other) certificate within a minute: {last}\n{}", self.log());
    }
}

#[tokio::test]
async fn the_first_certificate_comes_over_tls_alpn_01_and_is_there_after_a_restart_without_its_authority() {
    let place = Place::new();
    let site = Site::new(&place);
    // Nobody answers where it would ask over plain http.
    let plan = Plan { http_port: free_port(), ..site.plan(Duration::days(90)) };
    let pebble = place.open(plan).await;
    let program = site.start();
    let certificate = site.certificate(&pebble, b"").await;
    assert_eq!(site.has_logged("a certificate was ordered").await, 1, "{}", site.log());
    assert_eq!(site.has_logged("trying HTTP-01").await, 0, "{}", site.log());
    let root = pebble.root().await;
    for name in [HOST, MORE] {
        assert_eq!(TlsClient::new(&root, site.port, name).get("/log-in").await.unwrap().status, 200);
    }
    assert!(TlsClient::new(&root, site.port, "other.example").get("/").await.is_err());

    program.kill();
    drop(pebble);
    let _program = site.start();
    // The first look at the database may come a moment after the door is open.
    let client = TlsClient::new(&root, site.port, HOST);
    let mut answer = client.get("/healthz").await;
    for _ in 0..50 {
        if answer.is_ok() {
            break;
        }
        tokio::time::sleep(Wait::from_millis(100)).await;
        answer = client.get("/healthz").await;
    }
    let answer = answer.unwrap();
    assert_eq!(answer.certificate, certificate);
    assert_eq!(site.has_logged("ordering a certificate").await, 1, "{}", site.log());

    // Neither the log nor the file of the database gives the private keys away.
    for entry in std::fs::read_dir(site.path("data")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for word in [&b"PRIVATE KEY"[..], b"key_pkcs8"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word));
        }
    }
    assert!(!site.log().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn where_the_authority_does_not_get_through_over_tls_it_comes_over_plain_http() {
    let place = Place::new();
    let site = Site::new(&place);
    let pebble = place.open(Plan { tls_port: free_port(), ..site.plan(Duration::days(90)) }).await;
    let _program = site.start();
    site.certificate(&pebble, b"").await;
    assert_eq!(site.has_logged("trying HTTP-01").await, 1, "{}", site.log());
    assert_eq!(site.has_logged("a certificate was ordered").await, 1, "{}", site.log());
}

#[tokio::test]
async fn before_the_first_certificate_handshakes_fail_plain_http_leads_on_and_nothing_crashes() {
    let place = Place::new();
    let site = Site::new(&place);
    // Pebble runs and comes to nobody.
    let plan = Plan { tls_port: free_port(), http_port: free_port(), lifetime: Duration::days(90) };
    let pebble = place.open(plan).await;
    let _program = site.start();
    let client = site.client(&pebble).await;
    for _ in 0..300 {
        assert!(client.get("/healthz").await.is_err());
        if site.has_logged("no certificate can be ordered").await == 1 {
            break;
        }
        tokio::time::sleep(Wait::from_millis(100)).await;
    }
    let log = site.log();
    assert_eq!(site.has_logged("no certificate can be ordered").await, 1, "{log}");
    for told in ["over TLS-ALPN-01", "over HTTP-01", MORE] {
        assert!(log.contains(told), "what the authority said: {log}");
    }
    let answer = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = answer.get(format!("http://127.0.0.1:{}/a", site.http_port)).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()),
        (308, "https://site.example/a")
    );
}

/// In real time: certificates that live for less than a minute.
#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends_without_a_restart() {
    let place = Place::new();
    let site = Site::new(&place);
    let pebble = place.open(site.plan(Duration::seconds(45))).await;
    let _program = site.start();
    let first = site.certificate(&pebble, b"").await;
    // As the first one is trusted to its end, each handshake in between succeeds.
    let second = site.certificate(&pebble, &first).await;
    site.certificate(&pebble, &second).await;
    assert_eq!(site.has_logged("cannot be renewed").await, 0, "{}", site.log());
    assert_eq!(site.has_logged("a certificate was ordered").await, 3, "{}", site.log());
}

#[tokio::test]
async fn while_the_authority_is_down_the_site_is_served_and_warned_of_and_then_it_is_renewed() {
    let place = Place::new();
    let site = Site::new(&place);
    let plan = site.plan(Duration::seconds(60));
    let pebble = place.open(plan).await;
    let _program = site.start();
    let first = site.certificate(&pebble, b"").await;
    let client = site.client(&pebble).await;
    drop(pebble);
    for _ in 0..900 {
        // Served all the time, up to the moment of the warning.
        assert_eq!(client.get("/healthz").await.unwrap().certificate, first);
        if site.has_logged("the one before is served on").await > 0 {
            break;
        }
        tokio::time::sleep(Wait::from_millis(100)).await;
    }
    assert!(site.log().contains("the certificate authority cannot be reached"), "{}", site.log());
    // Pebble has forgotten all accounts.
    let pebble = place.open(plan).await;
    site.certificate(&pebble, &first).await;
    assert_eq!(site.has_logged("does not know the account any more").await, 1, "{}", site.log());
}

#[tokio::test]
async fn of_two_servers_on_one_database_one_orders_and_both_serve() {
    let test = TestDatabase::empty(DatabaseKind::Postgres).await;
    let place = Place::new();
    let one = Site::new(&place);
    let two = one.beside();
    // Whichever orders, it is the second that is asked.
    let pebble = place.open(two.plan(Duration::days(90))).await;
    let running = std::thread::scope(|scope| {
        [&one, &two]
            .map(|site| scope.spawn(|| site.start_on(Some(test.url_text()))))
            .map(|starting| starting.join().unwrap())
    });
    let certificate = one.certificate(&pebble, b"").await;
    assert_eq!(two.certificate(&pebble, b"").await, certificate);
    let words = "a certificate was ordered";
    let ordered = one.has_logged(words).await + two.has_logged(words).await;
    assert_eq!(ordered, 1, "{}\n{}", one.log(), two.log());
    drop(running);
}

#[tokio::test]
async fn a_challenge_of_another_server_is_answered_in_the_handshake_and_over_plain_http() {
    let place = Place::new();
    let site = Site::new(&place);
    let _program = site.start();
    let url = format!("sqlite://{}", site.path("data/vestibule.db").display());
    let database = Database::connect(&url.parse().unwrap()).await.unwrap();
    let now = SystemClock.now();
    let challenge = |token: &str, expires_at| AcmeChallenge {
        token: token.to_owned(),
        name: MORE.to_owned(),
        key_authorization: format!("{token}.thumbprint"),
        created_at: now,
        expires_at,
    };
    for challenge in [challenge("over", now), challenge("token", now + Duration::MINUTE)] {
        database.alone().insert_acme_challenge(&challenge).await.unwrap();
    }
    let http = format!("http://127.0.0.1:{}/.well-known/acme-challenge", site.http_port);
    for (token, status) in [("token", 200), ("over", 404), ("other", 404)] {
        let answer = reqwest::get(format!("{http}/{token}")).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{token}");
        if status == 200 {
            assert_eq!(answer.text().await.unwrap(), "token.thumbprint");
        }
    }
    let answer = async |name: &str, protocols: &[&[u8]]| {
        TlsClient::trusting_everybody(site.port, name).offering(protocols).connect().await
    };
    let stream = answer(MORE, &[b"acme-tls/1"]).await.unwrap();
    let (_, session) = stream.get_ref();
    assert_eq!(session.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    let shown = session.peer_certificates().unwrap()[0].to_vec();
    // id-pe-acmeIdentifier, 1.3.6.1.5.5.7.1.31, critical (RFC 8737).
    let identifier = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1f, 0x01, 0x01, 0xff];
    assert!(shown.windows(identifier.len()).any(|window| window == identifier));
    // No request is answered on such a connection.
    let mut stream = stream;
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    assert!(bytes.is_empty());
    for (name, protocols) in [
        (HOST, &[&b"acme-tls/1"[..]][..]),
        ("other.example", &[b"acme-tls/1"]),
        (MORE, &[b"acme-tls/1", b"http/1.1"]),
    ] {
        assert!(answer(name, protocols).await.is_err(), "{name}: there is no certificate to show");
    }
}

#[tokio::test]
async fn a_certificate_that_certbot_renews_by_webroot_is_served_without_a_restart() {
    let place = Place::new();
    let site = Site::new(&place);
    let pebble = place.open(site.plan(Duration::days(90))).await;
    let webroot = site.path("webroot");
    std::fs::create_dir(&webroot).unwrap();
    let http_port = site.http_port.to_string();
    // The first one before the server runs, with certbot's own server on the port that will be ours.
    certbot(&place, site.folder.path(), &["--standalone", "--http-01-port", &http_port]);
    let live = |name: &str| site.path("config/live/site.example").join(name).to_str().unwrap().to_owned();
    let http = format!("127.0.0.1:{http_port}");
    let settings = [
        ("VESTIBULE_TLS", "files"),
        ("VESTIBULE_PUBLIC_URL", "https://site.example"),
        ("VESTIBULE_SECRET_KEY", &site.secret),
        ("VESTIBULE_LISTEN_HTTP", &http),
        ("VESTIBULE_TLS_CERTIFICATE", &live("fullchain.pem")),
        ("VESTIBULE_TLS_KEY", &live("privkey.pem")),
        ("VESTIBULE_ACME_WEBROOT", webroot.to_str().unwrap()),
    ];
    let log = File::create(site.path("log")).unwrap();
    let _program = Program::start_on(site.port, site.folder.path(), None, &settings, log);
    let first = site.certificate(&pebble, b"").await;
    let webroot = webroot.to_str().unwrap();
    certbot(&place, site.folder.path(), &["--webroot", "--webroot-path", webroot, "--force-renewal"]);
    site.certificate(&pebble, &first).await;
    assert_eq!(site.has_logged("cannot be served").await, 0, "{}", site.log());
}

fn certbot(place: &Place, folder: &Path, arguments: &[&str]) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let mut certbot = Command::new("certbot");
    certbot
        .args(["certonly", "--non-interactive", "--agree-tos", "--register-unsafely-without-email"])
        .args(["--server", &place.directory(), "--domain", HOST])
        .args(["--config-dir", &path("config"), "--work-dir", &path("work"), "--logs-dir", &path("logs")])
        .args(arguments)
        .env("REQUESTS_CA_BUNDLE", place.root());
    let output = certbot.output().expect("certbot is missing. Debian, Ubuntu: sudo apt-get install certbot");
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}\n{}", told.concat(), place.log());
}
