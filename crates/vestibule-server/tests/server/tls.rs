//! The real program with a certificate in files, and its address for plain http.

use std::net::TcpStream as Plain;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration as Wait;

use serde_json::json;
use time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vestibule::models::SecretKey;
use vestibule::ports::OsRandom;

use crate::program::{PASSWORD, Program, command, free_port, run};
use crate::tls_client::{Authority, TlsClient, write_private};

const HOST: &str = "site.example";

/// A server with a certificate, in a folder.
struct Site {
    folder: tempfile::TempDir,
    authority: Authority,
    port: u16,
    http_port: u16,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { folder, authority: Authority::new(), port: free_port(), http_port: free_port() };
        let (chain, key) = site.authority.issue(HOST, Duration::days(60));
        site.write(&chain, &key);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, chain: &str, key: &str) {
        std::fs::write(self.path("chain.pem"), chain).unwrap();
        write_private(&self.path("key.pem"), key);
    }

    fn settings(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        [
            ("VESTIBULE_TLS", "files".to_owned()),
            ("VESTIBULE_PUBLIC_URL", format!("https://{HOST}")),
            ("VESTIBULE_SECRET_KEY", SecretKey::generate(&OsRandom).to_base64().to_string()),
            ("VESTIBULE_TLS_CERTIFICATE", text(self.path("chain.pem"))),
            ("VESTIBULE_TLS_KEY", text(self.path("key.pem"))),
            ("VESTIBULE_LISTEN_HTTP", format!("127.0.0.1:{}", self.http_port)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn start(&self) -> Program {
        self.start_with(&[])
    }

    fn start_with(&self, more: &[(&str, &str)]) -> Program {
        let settings = self.settings();
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let log = std::fs::File::create(self.path("log")).unwrap();
        Program::start_on(self.port, self.folder.path(), None, &[&settings[..], more].concat(), log)
    }

    fn client(&self) -> TlsClient {
        TlsClient::new(&self.authority.pem(), self.port, HOST)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }
}

/// Asks again and again, for half a minute.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..150 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Wait::from_millis(200)).await;
    }
    panic!("not within half a minute: {what}");
}

#[tokio::test]
async fn the_site_is_served_over_tls_1_2_and_1_3_with_everything_that_https_asks_for() {
    let site = Site::new();
    let _program = site.start();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = TlsClient::of_versions(&[version], &site.authority.pem(), site.port, HOST);
        let answer = client.get("/log-in").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.text.contains("strict-transport-security: max-age=31536000"), "{}", answer.text);
    }
    let body = json!({ "name": "Ann", "email": "ann@example.com", "password": PASSWORD }).to_string();
    let head = format!(
        "POST /api/auth/sign-up HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let answer = site.client().ask(&format!("{head}{body}")).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text);
    let cookies: Vec<_> = answer.text.lines().filter(|line| line.starts_with("set-cookie: ")).collect();
    assert!(cookies.len() >= 3, "{}", answer.text);
    for cookie in cookies {
        assert!(cookie.starts_with("set-cookie: __Host-") && cookie.contains("; Secure"), "{cookie}");
    }
    assert!(answer.text.contains("\"ip\":\"127.0.0.1\""), "the address of the socket: {}", answer.text);
}

#[test]
fn health_is_asked_by_tls_where_the_server_speaks_it() {
    let site = Site::new();
    let ask = || {
        let listen = format!("127.0.0.1:{}", site.port);
        let mut asking = command(site.folder.path());
        run(asking.envs(site.settings()).env("VESTIBULE_LISTEN", listen).arg("health"))
    };
    assert_eq!(ask().0.status.code(), Some(1), "nobody serves");
    let _program = site.start();
    let (output, told) = ask();
    assert!(output.status.success() && told.contains("https://") && told.contains("ready"), "{told}");
}

#[tokio::test]
async fn a_protocol_that_is_not_spoken_is_refused_in_the_handshake() {
    let site = Site::new();
    let _program = site.start();
    let both = site.client().offering(&[b"spdy/3", b"http/1.1"]).connect().await.unwrap();
    assert_eq!(both.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let new = site.client().offering(&[b"http/1.1", b"h2"]).connect().await.unwrap();
    assert_eq!(new.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let other = site.client().offering(&[b"spdy/3"]).connect().await.unwrap_err();
    assert!(other.to_string().contains("ApplicationProtocol"), "{other}");
}

/// Browsers send each cookie in a header of its own there.
#[tokio::test]
async fn over_http_2_somebody_signs_up_and_is_known_by_their_cookies() {
    let site = Site::new();
    let _program = site.start();
    let stream = site.client().offering(&[b"h2"]).connect().await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let ask = async |method: &str, path: &str, headers: &[(&str, String)], body: String| {
        let mut sender = sender.clone().ready().await.unwrap();
        let mut request = http::Request::builder().method(method).uri(format!("https://{HOST}{path}"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let (answer, mut sent) = sender.send_request(request.body(()).unwrap(), body.is_empty()).unwrap();
        if !body.is_empty() {
            sent.send_data(body.into(), true).unwrap();
        }
        let (parts, mut body) = answer.await.unwrap().into_parts();
        let mut bytes = Vec::new();
        while let Some(some) = body.data().await {
            let some = some.unwrap();
            body.flow_control().release_capacity(some.len()).unwrap();
            bytes.extend_from_slice(&some);
        }
        (parts, String::from_utf8(bytes).unwrap())
    };
    let body = json!({ "name": "Ann", "email": "ann@example.com", "password": PASSWORD }).to_string();
    let json = ("content-type", "application/json".to_owned());
    let (parts, told) = ask("POST", "/api/auth/sign-up", &[json], body).await;
    assert_eq!(parts.status, 201, "{told}");
    assert!(
        parts.headers.contains_key("strict-transport-security") && parts.headers.contains_key("x-request-id")
    );
    let cookies: Vec<(&str, String)> = parts
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|cookie| ("cookie", cookie.to_str().unwrap().split(';').next().unwrap().to_owned()))
        .collect();
    let (parts, told) = ask("GET", "/api/auth/session", &cookies, String::new()).await;
    assert!(parts.status == 200 && told.contains("ann@example.com"), "{told}");
    let (parts, page) = ask("GET", "/account", &cookies, String::new()).await;
    assert!(parts.status == 200 && page.contains("ann@example.com"), "{}", parts.status);
}

#[tokio::test]
async fn the_metrics_tell_how_long_the_certificate_is_still_good() {
    let site = Site::new();
    let metrics = format!("127.0.0.1:{}", free_port());
    let _program = site.start_with(&[("VESTIBULE_METRICS_LISTEN", &metrics)]);
    let told = reqwest::get(format!("http://{metrics}/metrics")).await.unwrap().text().await.unwrap();
    let left = told.lines().find_map(|line| line.strip_prefix("vestibule_certificate_seconds_left "));
    let days = left.unwrap().parse::<f64>().unwrap() / 86_400.0;
    assert!((59.0..=60.0).contains(&days), "{days}");
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart_and_a_wrong_one_never() {
    let site = Site::new();
    let _program = site.start();
    let client = site.client();
    let first = client.get("/healthz").await.unwrap();
    let mut open = client.connect().await.unwrap();
    open.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"ok\n") {
        seen.push(open.read_u8().await.unwrap());
    }

    // A key without its certificate, as between two writes that never come together, and then half a file.
    let (chain, key) = site.authority.issue(HOST, Duration::days(90));
    write_private(&site.path("key.pem"), &key);
    let log_tells = async |count| site.log().matches("cannot be served").count() == count;
    eventually("it is told", async || log_tells(1).await).await;
    assert!(site.log().contains("is not that of the certificate"), "{}", site.log());
    assert_eq!(client.get("/healthz").await.unwrap().certificate, first.certificate);
    std::fs::write(site.path("chain.pem"), &chain[..chain.len() / 3]).unwrap();
    eventually("it is told", async || log_tells(2).await).await;
    assert_eq!(client.get("/healthz").await.unwrap().certificate, first.certificate);

    site.write(&chain, &key);
    eventually("the new one is served", async || {
        client.get("/healthz").await.unwrap().certificate != first.certificate
    })
    .await;
    // Who was connected stays so.
    open.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    open.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
}

#[test]
fn files_that_cannot_be_served_stop_the_start_with_the_name_of_the_setting() {
    let site = Site::new();
    let refusal = || {
        let mut command = command(site.folder.path());
        command.envs(site.settings());
        let (output, told) = run(&mut command);
        assert_eq!(output.status.code(), Some(78), "{told}");
        let (checked, _) = run(command.args(["config", "check"]));
        assert_eq!(checked.status.code(), Some(78), "the check knows it too");
        told
    };
    let (chain, key) = site.authority.issue(HOST, Duration::days(1));
    let (other, _) = site.authority.issue(HOST, Duration::days(1));
    for (chain, key, setting, problem) in [
        (&chain[..], "", "VESTIBULE_TLS_KEY", "there is no private key in it"),
        ("", &key[..], "VESTIBULE_TLS_CERTIFICATE", "there is no certificate in it"),
        (&key, &key, "VESTIBULE_TLS_CERTIFICATE", "there is no certificate in it"),
        (&chain[..200], &key, "VESTIBULE_TLS_CERTIFICATE", "it is not whole PEM"),
        (&other, &key, "VESTIBULE_TLS_KEY", "is not that of the certificate"),
    ] {
        site.write(chain, key);
        let told = refusal();
        assert!(told.contains(setting) && told.contains(problem), "{told}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        site.write(&chain, &key);
        open(site.folder.path(), 0o755);
        open(&site.path("key.pem"), 0o644);
        let told = refusal();
        assert!(told.contains("VESTIBULE_TLS_KEY") && told.contains("chmod 600"), "{told}");
    }
    std::fs::remove_file(site.path("chain.pem")).unwrap();
    assert!(refusal().contains("there is no such file"));
}

/// Asks over plain http.
async fn ask_plainly(site: &Site, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", site.http_port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn plain_http_leads_to_the_public_url_and_takes_nothing() {
    let site = Site::new();
    let _program = site.start();
    let ask = async |line: &str| {
        ask_plainly(&site, &format!("{line} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"))
            .await
    };
    for (line, location) in [
        ("GET /", "https://site.example/"),
        ("HEAD /notes/new?a=b%20c&d", "https://site.example/notes/new?a=b%20c&d"),
        ("GET //evil.example/x", "https://site.example//evil.example/x"),
        ("GET http://evil.example/x", "https://site.example/x"),
    ] {
        let answer = ask(line).await;
        assert!(answer.starts_with("HTTP/1.1 308 "), "{line}: {answer}");
        assert!(answer.contains(&format!("location: {location}\r\n")), "{line}: {answer}");
        assert!(answer.contains("x-request-id: "), "{answer}");
        assert!(!answer.contains("strict-transport-security"), "it means nothing over plain http (RFC 6797)");
    }
    for line in ["POST /api/auth/log-in", "PUT /", "OPTIONS *", "DELETE /x", "CONNECT evil.example:443"] {
        let answer = ask(line).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{line}: {answer}");
        assert!(answer.contains("https://site.example") && answer.contains("allow: GET, HEAD"), "{answer}");
    }
    for line in ["GET /api/auth/session", "GET /api", "GET / HTTP/1.1\r\nAuthorization: Bearer x\r\nX-Rest:"]
    {
        let answer = ask(line).await;
        assert!(
            answer.starts_with("HTTP/1.1 403 ") && answer.contains("https://site.example"),
            "{line}: {answer}"
        );
    }
    for path in ["/healthz", "/metrics", "/.well-known/jwks.json"] {
        assert!(ask(&format!("GET {path}")).await.starts_with("HTTP/1.1 308 "), "{path}");
    }
}

#[tokio::test]
async fn the_answers_of_another_program_are_served_from_its_folder_and_nothing_else_is() {
    let site = Site::new();
    let webroot = site.path("webroot");
    let answers = webroot.join(".well-known/acme-challenge");
    std::fs::create_dir_all(&answers).unwrap();
    std::fs::write(answers.join("a_token-1"), "a_token-1.thumbprint").unwrap();
    std::fs::write(answers.join("large"), "x".repeat(5000)).unwrap();
    std::fs::write(webroot.join(".well-known/secret"), "secret").unwrap();
    let _program = site.start_with(&[("VESTIBULE_ACME_WEBROOT", webroot.to_str().unwrap())]);
    let ask = async |name: &str| {
        let path = format!("/.well-known/acme-challenge/{name}");
        ask_plainly(&site, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    };
    let answer = ask("a_token-1").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\na_token-1.thumbprint"),
        "{answer}"
    );
    for name in ["", "missing", "large", "../secret", "%2e%2e/secret", "..%2fsecret", "a_token-1/", "."] {
        let answer = ask(name).await;
        assert!(answer.starts_with("HTTP/1.1 404 ") && !answer.contains("thumbprint"), "{name}: {answer}");
    }
}

#[tokio::test]
async fn connections_are_counted_before_the_handshake_and_over_both_doors() {
    let site = Site::new();
    let _program = site.start_with(&[("VESTIBULE_MAX_CONNECTIONS", "40")]);
    let client = site.client();
    // Ten are a fourth of forty. Nothing was said on any of them.
    let silent: Vec<_> = (0..10)
        .map(|number| {
            Plain::connect(("127.0.0.1", if number % 2 == 0 { site.port } else { site.http_port })).unwrap()
        })
        .collect();
    // One that overtakes the silent ones at the other door has the place of the last of them, so it is held too.
    let mut held = Vec::new();
    eventually("an eleventh is turned away", async || match client.connect().await {
        Ok(stream) => {
            held.push(stream);
            false
        }
        Err(_) => true,
    })
    .await;
    drop((silent, held));
    eventually("a place that was left is free", async || client.get("/healthz").await.is_ok()).await;
}

/// Real time: a stranger who opens a connection and never finishes the handshake.
#[tokio::test]
async fn a_handshake_that_does_not_end_is_waited_for_ten_seconds() {
    let site = Site::new();
    let _program = site.start();
    let beginnings: [&[u8]; 3] = [b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n"];
    let mut waits = Vec::new();
    for beginning in beginnings {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        waits.push(tokio::spawn(async move {
            let began = tokio::time::Instant::now();
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes).await;
            (bytes, began.elapsed())
        }));
    }
    assert_eq!(site.client().get("/healthz").await.unwrap().status, 200, "others are served meanwhile");
    for (wait, beginning) in waits.into_iter().zip(beginnings) {
        let (bytes, waited) = wait.await.unwrap();
        let is_tls = !beginning.starts_with(b"GET");
        assert!(!String::from_utf8_lossy(&bytes).contains("200 OK"));
        let expected = if is_tls { 8.0..14.0 } else { 0.0..3.0 };
        assert!(expected.contains(&waited.as_secs_f64()), "{waited:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_request_under_way_over_tls_is_answered_before_the_program_ends() {
    let site = Site::new();
    let program = site.start();
    let body = json!({ "name": "Ann", "email": "ann@example.com", "password": PASSWORD }).to_string();
    let (some, rest) = body.split_at(10);
    let mut busy = site.client().connect().await.unwrap();
    let head = format!(
        "POST /api/auth/sign-up HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    busy.write_all(format!("{head}{some}").as_bytes()).await.unwrap();
    busy.flush().await.unwrap();
    let idle = site.client().connect().await.unwrap();
    tokio::time::sleep(Wait::from_millis(500)).await;
    assert!(Command::new("kill").arg(program.pid().to_string()).status().unwrap().success());
    tokio::time::sleep(Wait::from_millis(500)).await;
    busy.write_all(rest.as_bytes()).await.unwrap();
    let mut text = String::new();
    busy.read_to_string(&mut text).await.expect("with a farewell of TLS");
    assert!(text.starts_with("HTTP/1.1 201 "), "{text}");
    drop(idle);
    assert!(program.wait().success());
}
