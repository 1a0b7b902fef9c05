//! The reverse proxies of `deploy/proxies`, as Debian packs them, before the real program and an application that knows nothing
//! of it. Their files are used as they are but for ports and names.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use reqwest::Method;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::program::{self, PASSWORD, Program, free_port};

const HTML: (&str, &str) = ("accept", "text/html,*/*;q=0.8");
const SAME_ORIGIN: (&str, &str) = ("sec-fetch-site", "same-origin");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// What somebody outside would like to be taken for.
const FORGED: [(&str, &str); 9] = [
    ("x-auth-user-id", "forged"),
    ("X-Auth-Email", "forged"),
    ("x-auth-email", "forged too"),
    ("X-AUTH-NAME", "forged"),
    ("x-auth-role", "forged"),
    ("x_auth_email", "forged"),
    ("X_Auth_User_Id", "forged"),
    ("x_auth_role", "forged"),
    ("x.auth.email", "forged"),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Nginx,
    Caddy,
}

/// A proxy, what is behind it, and who comes to it. All end with the test.
struct Place {
    origin: String,
    folder: tempfile::TempDir,
    client: reqwest::Client,
    /// How many requests have come through to the application.
    came_through: Arc<AtomicUsize>,
    _proxy: Killed,
    _program: Program,
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What came back: status, `Location`, cookies that were set, body.
#[derive(Debug)]
struct Answer {
    status: u16,
    location: String,
    cookies: Vec<String>,
    body: String,
}

impl Place {
    async fn open(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, upstream) = (free_port(), free_port());
        let origin = format!("http://127.0.0.1:{port}");
        let settings =
            [("VESTIBULE_PUBLIC_URL", origin.as_str()), ("VESTIBULE_TRUSTED_PROXIES", "127.0.0.1")];
        let program = Program::start_on(upstream, folder.path(), None, &settings, Stdio::null());
        let (application, came_through) = application().await;
        let proxy = match kind {
            Kind::Nginx => nginx(folder.path(), port, upstream, application),
            Kind::Caddy => caddy(folder.path(), port, upstream, application),
        };
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = client.build().unwrap();
        let place = Self { origin, folder, client, came_through, _proxy: Killed(proxy), _program: program };
        for _ in 0..200 {
            let asked = place.client.get(format!("{}/healthz", place.origin)).send().await;
            if asked.is_ok_and(|answer| answer.status() == 200) {
                return place;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let told = std::fs::read_to_string(place.folder.path().join("proxy.log")).unwrap_or_default();
        panic!("{kind:?} does not answer: {told}");
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        cookies: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.origin)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !cookies.is_empty() {
            request = request.header("cookie", cookies);
        }
        let answer = request.send().await.unwrap();
        let header = |name: &str| {
            answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let set = answer.headers().get_all("set-cookie").iter();
        let cookies =
            set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned()).collect();
        let (status, location) = (answer.status().as_u16(), header("location"));
        Answer { status, location, cookies, body: answer.text().await.unwrap() }
    }

    async fn get(&self, path: &str, cookies: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, cookies, headers, String::new()).await
    }

    /// Signs somebody up as `NAME@example.com`, and gives their cookies.
    async fn signed_up(&self, name: &str, email: &str) -> String {
        let body = serde_json::json!({ "name": name, "email": email, "password": PASSWORD }).to_string();
        let headers = [("content-type", "application/json")];
        let answer = self.send(Method::POST, "/api/auth/sign-up", "", &headers, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.cookies.join("; ")
    }

    /// The status of a request whose path no client library would send.
    async fn status_of_raw(&self, path: &str, cookies: &str) -> String {
        let mut stream =
            tokio::net::TcpStream::connect(self.origin.trim_start_matches("http://")).await.unwrap();
        let host = self.origin.trim_start_matches("http://");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or("closed").to_owned()
    }
}

/// An application that says what it was sent: method, path and query, headers and body, each on a line.
async fn application() -> (u16, Arc<AtomicUsize>) {
    async fn echo(State(came_through): State<Arc<AtomicUsize>>, request: Request) -> String {
        came_through.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let headers = parts.headers.iter();
        let headers =
            headers.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
        let headers = headers.collect::<Vec<_>>().join("\n");
        format!("{} {}\n{headers}\n\n{}", parts.method, parts.uri, String::from_utf8_lossy(&body))
    }
    let came_through = Arc::new(AtomicUsize::new(0));
    let router = Router::new().fallback(echo).with_state(Arc::clone(&came_through));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, came_through)
}

/// A file of `deploy/proxies` with others in the place of its ports. Each text must be there.
fn adapted(file: &str, changes: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/proxies").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{file} says {from}");
        text.replace(from, to)
    })
}

fn nginx(folder: &Path, port: u16, upstream: u16, application: u16) -> Child {
    let site = adapted(
        "nginx.conf",
        &[
            ("listen 80;", format!("listen 127.0.0.1:{port};")),
            ("127.0.0.1:3000", format!("127.0.0.1:{upstream}")),
            ("127.0.0.1:8000", format!("127.0.0.1:{application}")),
        ],
    );
    std::fs::write(folder.join("site.conf"), site).unwrap();
    // What Debian's own file says around it, with nothing outside of the folder, and one process, which ends when it is killed.
    let here = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {here}/{name};"))
        .join("\n");
    let around = format!(
        "daemon off; master_process off; pid {here}/nginx.pid; error_log stderr;\nevents {{}}\n\
         http {{ access_log off;\n{temporary}\ninclude {here}/site.conf; }}\n"
    );
    std::fs::write(folder.join("nginx.conf"), around).unwrap();
    let log = std::fs::File::create(folder.join("proxy.log")).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-c"]).arg(folder.join("nginx.conf")).arg("-p").arg(folder);
    command
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("nginx is not on this machine: `apt-get install nginx`, or run `cargo xtask test` as root")
}

fn caddy(folder: &Path, port: u16, upstream: u16, application: u16) -> Child {
    let site = adapted(
        "Caddyfile",
        &[
            ("example.com {", format!("http://127.0.0.1:{port} {{")),
            ("127.0.0.1:3000", format!("127.0.0.1:{upstream}")),
            ("127.0.0.1:8000", format!("127.0.0.1:{application}")),
        ],
    );
    std::fs::write(folder.join("Caddyfile"), format!("{{\n\tadmin off\n}}\n{site}")).unwrap();
    let log = std::fs::File::create(folder.join("proxy.log")).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
    command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    command
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("caddy is not on this machine: `apt-get install caddy`, or run `cargo xtask test` as root")
}

/// The lines of what the application was sent that name somebody, in whatever spelling.
fn named(body: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = body
        .lines()
        .filter(|line| line.replace(['_', '.'], "-").to_lowercase().starts_with("x-auth"))
        .collect();
    lines.sort_unstable();
    lines
}

#[rstest]
#[tokio::test]
async fn an_application_that_knows_nothing_of_us_gets_the_user_in_headers_and_nobody_forges_them(
    #[values(Kind::Nginx, Kind::Caddy)] kind: Kind,
) {
    let place = Place::open(kind).await;
    let cookies = place.signed_up("Zoë Example", "zoe@example.com").await;
    for headers in [&[][..], &FORGED] {
        let answer = place.get("/app/notes?a=b&role=admin", &cookies, headers).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.starts_with("GET /app/notes?a=b&role=admin\n"), "{answer:?}");
        let told = named(&answer.body);
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(told[0], "x-auth-email: zoe@example.com");
        assert_eq!(told[1], "x-auth-name: Zo%C3%AB Example");
        assert_eq!(told[2], "x-auth-role: user");
        assert!(told[3].starts_with("x-auth-user-id: ") && !told[3].contains("forged"));
        // Where nobody is asked for, nobody is named: logged in or not.
        for cookies in ["", cookies.as_str()] {
            let answer = place.get("/app/public/page", cookies, headers).await;
            assert_eq!((answer.status, named(&answer.body)), (200, Vec::new()), "{answer:?}");
        }
    }
    // And forged headers alone open nothing.
    let came_through = place.came_through.load(Ordering::SeqCst);
    let answer = place.get("/app/notes", "", &FORGED).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(place.came_through.load(Ordering::SeqCst), came_through);
    // For many requests.
    for _ in 0..100 {
        assert_eq!(place.get("/app/notes", &cookies, &[]).await.status, 200);
    }
}

#[rstest]
#[tokio::test]
async fn a_visitor_is_led_to_the_log_in_page_and_back_to_the_page_asked_for(
    #[values(Kind::Nginx, Kind::Caddy)] kind: Kind,
) {
    let place = Place::open(kind).await;
    place.signed_up("Ann", "ann@example.com").await;
    let asked = "/app/notes?a=b&c=%20d%26e";
    assert_eq!(place.get(asked, "", &[]).await.status, 401, "a program");
    let answer = place.get(asked, "", &[HTML]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let page = answer.location.strip_prefix(&place.origin).expect("by the public URL").to_owned();
    assert!(page.starts_with("/log-in?next="), "{page}");
    let form = place.get(&page, "", &[HTML]).await;
    assert_eq!(form.status, 200);
    let next = url::Url::parse(&answer.location).unwrap();
    let next = next.query_pairs().find(|(name, _)| name == "next").unwrap().1.into_owned();
    let fields = [("email", "ann@example.com"), ("password", PASSWORD), ("next", &next)];
    let fields = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let answer = place.send(Method::POST, "/log-in", "", &[FORM, SAME_ORIGIN], fields).await;
    assert_eq!((answer.status, answer.location.as_str()), (303, asked));
    let cookies = answer.cookies.join("; ");
    let answer = place.get(asked, &cookies, &[HTML]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with(&format!("GET {asked}\n")), "{answer:?}");

    // Where only the access token is over, over /refresh.
    let mut without = cookies.split("; ").filter(|cookie| !cookie.starts_with("vestibule_access="));
    let without = without.by_ref().collect::<Vec<_>>().join("; ");
    assert_eq!(place.get(asked, &without, &[]).await.status, 401, "a program refreshes by itself");
    let answer = place.get(asked, &without, &[HTML]).await;
    let page = answer.location.strip_prefix(&place.origin).expect("by the public URL").to_owned();
    assert!(answer.status == 303 && page.starts_with("/refresh?next="), "{answer:?}");
    let answer = place.get(&page, &without, &[HTML]).await;
    assert_eq!((answer.status, answer.location.as_str()), (303, asked));
    let cookies = answer.cookies.join("; ");
    assert_eq!(place.get(asked, &cookies, &[HTML]).await.status, 200);

    // A log-out ends it at the next request.
    let csrf = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("vestibule_csrf=")).unwrap();
    let headers = [("x-csrf-token", csrf)];
    let answer = place.send(Method::POST, "/api/auth/log-out", &cookies, &headers, String::new()).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(place.get(asked, &cookies, &[]).await.status, 401);
    let answer = place.get(asked, &cookies, &[HTML]).await;
    assert!(answer.location.contains("/log-in?next="), "{answer:?}");
    assert_eq!(answer.cookies.len(), 3, "and the browser's cookies are cleared");
}

#[rstest]
#[tokio::test]
async fn a_role_is_asked_for(#[values(Kind::Nginx, Kind::Caddy)] kind: Kind) {
    let place = Place::open(kind).await;
    let cookies = place.signed_up("Ann", "ann@example.com").await;
    assert_eq!(place.get("/app/admin/", "", &[]).await.status, 401);
    let answer = place.get("/app/admin/", "", &[HTML]).await;
    assert!(answer.location.ends_with("/log-in?next=%2Fapp%2Fadmin%2F"), "{answer:?}");
    for headers in [&[][..], &[HTML], &FORGED] {
        // However an application may read it.
        for path in ["/app/admin/?role=user", "/app/admin", "/app/ADMIN/", "/app/admin.json", "/app/admin;x/"]
        {
            let answer = place.get(path, &cookies, headers).await;
            assert_eq!(answer.status, 403, "{path}: {answer:?}");
        }
    }
    let page = place.get("/app/admin/", &cookies, &[HTML]).await;
    assert!(page.body.contains("<h1"), "people get a page that says so: {page:?}");
    assert_eq!(place.came_through.load(Ordering::SeqCst), 0);
    let mut promote = program::command(place.folder.path());
    promote.args(["user", "set-role", "ann@example.com", "admin"]);
    let (output, told) = program::run(promote.env("VESTIBULE_PUBLIC_URL", &place.origin));
    assert!(output.status.success(), "{told}");
    let mut told = Answer { status: 0, location: String::new(), cookies: Vec::new(), body: String::new() };
    for _ in 0..100 {
        told = place.get("/app/admin/", &cookies, &[]).await;
        if told.status == 200 {
            break;
        }
        // Another process has written it, which is seen within a moment.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(named(&told.body).contains(&"x-auth-role: admin"), "{told:?}");
}

#[rstest]
#[tokio::test]
async fn what_is_posted_gets_through_from_this_site_alone(#[values(Kind::Nginx, Kind::Caddy)] kind: Kind) {
    let place = Place::open(kind).await;
    let cookies = place.signed_up("Ann", "ann@example.com").await;
    let text = "a long text, ".repeat(20_000);
    let answer = place.send(Method::POST, "/app/notes", &cookies, &[SAME_ORIGIN, FORM], text.clone()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with("POST /app/notes\n") && answer.body.ends_with(&text), "all of it");
    // As older browsers say it.
    let origin = [("origin", place.origin.as_str())];
    assert_eq!(
        place.send(Method::DELETE, "/app/notes/1", &cookies, &origin, String::new()).await.status,
        200
    );

    let came_through = place.came_through.load(Ordering::SeqCst);
    for headers in [
        &[("sec-fetch-site", "same-site")][..],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://evil.test")],
        &[],
        // What the proxy says of the method is not the client's to say.
        &[("x-forwarded-method", "GET"), ("x-original-method", "POST"), ("sec-fetch-site", "cross-site")],
        &[("x-http-method-override", "GET")],
    ] {
        let answer = place.send(Method::POST, "/app/notes", &cookies, headers, "x".into()).await;
        assert_eq!(answer.status, 403, "{headers:?}: {answer:?}");
    }
    let answer = place.send(Method::POST, "/app/notes", "", &[SAME_ORIGIN, FORM], "x".into()).await;
    assert_eq!(answer.status, 401);
    let referer = ("referer", format!("{}/app/new?a=b", place.origin));
    let headers = [HTML, SAME_ORIGIN, FORM, (referer.0, referer.1.as_str())];
    let answer = place.send(Method::POST, "/app/notes", "", &headers, "x".into()).await;
    assert!(answer.location.ends_with("/log-in?next=%2Fapp%2Fnew%3Fa%3Db"), "{answer:?}");
    assert_eq!(place.came_through.load(Ordering::SeqCst), came_through);
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_read_does_not_come_through(#[values(Kind::Nginx, Kind::Caddy)] kind: Kind) {
    let place = Place::open(kind).await;
    let cookies = place.signed_up("Ann", "ann@example.com").await;
    for path in [
        "/app/%zz",
        "/app/%",
        "/app/%00",
        "/app/a\\b",
        "/app/x%5c..%5cadmin",
        "/app/../app/notes",
        "/app/public/../notes",
        "/app/%2e%2e/app/notes",
        "/app/..;/admin/",
        "/app/x/..%2fadmin/",
        "/app/%c0%ae%c0%ae/",
    ] {
        let status = place.status_of_raw(path, &cookies).await;
        assert!(["400", "401"].contains(&status.as_str()), "{path}: {status}");
    }
    // The same without credentials, at the door of the admins and beside the public one.
    for path in ["/app/public/../admin/", "/app/public/%2e%2e/notes", "/app//admin/", "//app/admin/"] {
        let status = place.status_of_raw(path, "").await;
        assert!(["400", "401", "404"].contains(&status.as_str()), "{path}: {status}");
    }
    // A header that proxies pass on as it is.
    for header in [("x-forwarded-port", "nonsense"), ("x-forwarded-server", "a/b")] {
        let answer = place.get("/app/notes", &cookies, &[header, HTML]).await;
        assert_eq!(answer.status, 401, "{header:?}: {answer:?}");
    }
    assert_eq!(place.came_through.load(Ordering::SeqCst), 0);
    // What the proxy says itself is not what a client says.
    let claimed = [
        ("x-forwarded-uri", "//evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "javascript"),
        ("x-forwarded-for", "nonsense"),
    ];
    let answer = place.get("/app/notes", &cookies, &claimed).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = place.get("/app/notes", "", &[&claimed[..], &[HTML]].concat()).await;
    assert_eq!(answer.location, format!("{}/log-in?next=%2Fapp%2Fnotes", place.origin));
}

/// No package of it is in Debian, so its file is read and not run.
#[test]
fn the_file_for_traefik_drops_and_sets_each_header() {
    let text = adapted("traefik.yaml", &[]);
    for name in ["X-Auth-User-Id", "X-Auth-Email", "X-Auth-Name", "X-Auth-Role"] {
        assert!(text.contains(&format!("{name}: \"\"")), "{name} is dropped");
        let set = text.lines().filter(|line| line.contains("authResponseHeaders:") && line.contains(name));
        assert_eq!(set.count(), 2, "{name} is set for users and for admins");
    }
    let routers: Vec<&str> = text.lines().filter(|line| line.contains("middlewares: [")).collect();
    assert_eq!(routers.len(), 4);
    assert!(routers.iter().all(|line| line.contains("[nobody")), "first of all what is claimed is dropped");
    assert!(!text.contains("trustForwardHeader: true"));
}
