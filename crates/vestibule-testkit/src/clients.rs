use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{PASSWORD, TestServer};

const CSRF_COOKIE: &str = "vestibule_csrf";
const DEVICE_COOKIE: &str = "vestibule_device";

/// What a server answered.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The stable word of a problem.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Where it sends to.
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }

    /// The cookies that it sets, whole.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()).collect()
    }

    /// The cookies that it sets, with `…` in the place of every value that is not empty: for snapshots.
    pub fn cookies_without_values(&self) -> Vec<String> {
        let hide = |cookie: &str| {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = if value.is_empty() { "" } else { "…" };
            format!("{name}={value};{attributes}")
        };
        self.set_cookies().into_iter().map(hide).collect()
    }

    /// A cookie that it sets, whole.
    pub fn set_cookie(&self, name: &str) -> Option<&str> {
        self.set_cookies().into_iter().find(|cookie| cookie.split('=').next() == Some(name))
    }
}

impl Answer {
    /// Reads an answer as it came over the wire.
    fn parse(bytes: &[u8]) -> Self {
        let end_of_head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end_of_head =
            end_of_head.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8_lossy(&bytes[..end_of_head]);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| {
            let name = HeaderName::try_from(name).expect("the server's headers have names");
            (name, HeaderValue::from_str(value.trim()).expect("the server's headers have values"))
        });
        Self {
            status: status.expect("an answer begins with its status"),
            headers: headers.collect(),
            text: String::from_utf8_lossy(&bytes[end_of_head + 4..]).into_owned(),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}\n{}", self.status, self.headers, self.text)
    }
}

/// Who sends a request as it is: no cookies, no redirects followed.
#[derive(Clone)]
pub struct Anonymous {
    address: SocketAddr,
    client: reqwest::Client,
}

impl Anonymous {
    pub(crate) fn of(server: &TestServer) -> Self {
        Self::at(server.address())
    }

    /// The same before any server.
    ///
    /// # Panics
    /// Where the system gives no client.
    pub fn at(address: SocketAddr) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // A proxy of the machine's has no business between a test and its server.
            .no_proxy()
            .build()
            .expect("a client without TLS can be made");
        Self { address, client }
    }

    /// Sends a request.
    ///
    /// # Panics
    /// Where there is no answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).expect("a test's header has a name");
            map.append(name, HeaderValue::from_str(value).expect("a test's header has a value"));
        }
        let url = format!("http://{}{path}", self.address);
        let request = self.client.request(method, url).headers(map).body(body);
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("an answer has a body") }
    }

    /// Sends bytes as they are, for what no client library would send. The request should say
    /// `Connection: close`, so that the answer ends.
    ///
    /// # Panics
    /// Where there is no answer.
    pub async fn send_raw(&self, request: &[u8]) -> Answer {
        let stream = TcpStream::connect(self.address).await.expect("the server takes connections");
        let (mut reading, mut writing) = stream.into_split();
        let request = request.to_vec();
        // At once with reading: the server may answer and close before it has read everything.
        let sending = tokio::spawn(async move {
            let _ = writing.write_all(&request).await;
            writing
        });
        let mut answer = Vec::new();
        // What came before the server closed on us is the answer.
        let _ = reading.read_to_end(&mut answer).await;
        sending.abort();
        Answer::parse(&answer)
    }

    /// Fetches.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", "text/html,*/*;q=0.8")], "").await
    }

    /// Posts JSON.
    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// Posts a form.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &kind, encoded(fields)).await
    }
}

/// A browser: keeps cookies, sends them, says which site a form is on. Scripts and people of the site use it.
#[derive(Clone)]
pub struct Browser {
    wire: Anonymous,
    jar: BTreeMap<String, String>,
    planted: Vec<(String, String)>,
}

impl Browser {
    pub(crate) fn of(server: &TestServer) -> Self {
        Self::at(server.address())
    }

    /// A browser that goes to any server.
    pub fn at(address: SocketAddr) -> Self {
        Self { wire: Anonymous::at(address), jar: BTreeMap::new(), planted: Vec::new() }
    }

    /// Goes on with another server of the same installation.
    pub fn go_to(&mut self, server: &TestServer) {
        self.wire.address = server.address();
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.get(name).map(String::as_str)
    }

    /// Puts a cookie in place.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.jar.insert(name.to_owned(), value.to_owned());
    }

    /// Takes a cookie away.
    pub fn drop_cookie(&mut self, name: &str) {
        self.jar.remove(name);
    }

    /// Plants a cookie as a stranger on a neighbouring host can, with another path or domain: it is sent beside the
    /// site's own cookie of that name and before it, and what the site sets does not touch it.
    pub fn plant_cookie(&mut self, name: &str, value: &str) {
        self.planted.push((name.to_owned(), value.to_owned()));
    }

    /// The names of the session's cookies in the jar. The browser's own name is none of them: it stays over a log-out.
    pub fn cookie_names(&self) -> Vec<&str> {
        self.jar.keys().map(String::as_str).filter(|name| !name.ends_with(DEVICE_COOKIE)).collect()
    }

    /// The CSRF token of the jar.
    pub fn csrf(&self) -> &str {
        self.jar.iter().find(|(name, _)| name.ends_with(CSRF_COOKIE)).map_or("", |(_, token)| token)
    }

    /// Sends a request with the cookies and leaves the jar as it is: what the answer sets gets lost.
    pub async fn send_and_lose(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let planted = self.planted.iter().map(|(name, value)| (name, value));
        let cookies = planted.chain(&self.jar).map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let mut headers = headers.to_vec();
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        self.wire.send(method, path, &headers, body).await
    }

    /// Takes over the cookies that an answer sets.
    pub fn receive(&mut self, answer: &Answer) {
        for cookie in answer.set_cookies() {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a name");
            if attributes.split(';').any(|attribute| attribute.trim() == "Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Sends a request with the cookies and takes over what the answer sets.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let answer = self.send_and_lose(method, path, headers, body).await;
        self.receive(&answer);
        answer
    }

    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", "text/html,*/*;q=0.8")], "").await
    }

    /// Sends a form of a page of the site, with the page's CSRF token.
    pub async fn post_form(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.post_form_and_lose(path, fields).await;
        self.receive(&answer);
        answer
    }

    /// The same, with an answer that gets lost.
    pub async fn post_form_and_lose(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        fields.push(("csrf_token", self.csrf()));
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
        self.send_and_lose(Method::POST, path, &headers, encoded(&fields)).await
    }

    /// Calls the API as a script of the site would, with the CSRF header.
    pub async fn call(&mut self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let answer = self.call_and_lose(method, path, body).await;
        self.receive(&answer);
        answer
    }

    /// The same, with an answer that gets lost.
    pub async fn call_and_lose(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut headers = vec![("x-csrf-token", self.csrf()), ("sec-fetch-site", "same-origin")];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.map(ToString::to_string).unwrap_or_default();
        self.send_and_lose(method, path, &headers, body).await
    }

    /// Refreshes.
    pub async fn refresh(&mut self) -> Answer {
        self.call(Method::POST, "/api/auth/refresh", None).await
    }

    /// Signs up as `NAME@example.com`.
    pub async fn sign_up(&mut self, name: &str) -> Answer {
        let body = json!({ "name": name, "email": format!("{name}@example.com"), "password": PASSWORD });
        let answer = self.call(Method::POST, "/api/auth/sign-up", Some(&body)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer
    }

    /// Logs in as `NAME@example.com`.
    pub async fn log_in(&mut self, name: &str) -> Answer {
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        self.call(Method::POST, "/api/auth/log-in", Some(&body)).await
    }

    /// Who one is; the status tells whether one is anybody.
    pub async fn session(&mut self) -> Answer {
        self.call(Method::GET, "/api/auth/session", None).await
    }
}

/// A program with an access token in a header.
pub struct Program {
    wire: Anonymous,
    authorization: String,
}

impl Program {
    pub(crate) fn of(server: &TestServer, access_token: &str) -> Self {
        Self { wire: Anonymous::of(server), authorization: format!("Bearer {access_token}") }
    }

    /// Sends a request.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut headers = headers.to_vec();
        headers.push(("authorization", &self.authorization));
        self.wire.send(method, path, &headers, body.to_owned()).await
    }

    /// Fetches.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", "text/html,*/*;q=0.8")], "").await
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
