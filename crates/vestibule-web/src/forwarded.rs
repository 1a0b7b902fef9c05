use std::fmt;

use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName, Method};

use crate::next::Next;
use crate::trusted_proxies::address_of_entry;

/// The longest address of a request that is read, in bytes: as much as servers take in one line.
const MAX_TARGET: usize = 8192;
/// Longer than any method that is registered.
const MAX_METHOD: usize = 32;
/// RFC 1035, section 2.3.4.
const MAX_HOST: usize = 253;

const METHODS: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-method"), HeaderName::from_static("x-original-method")];
const TARGETS: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-uri"), HeaderName::from_static("x-original-uri")];
/// The whole address, scheme and host included, as Kubernetes' nginx tells it.
const WHOLE_ADDRESS: HeaderName = HeaderName::from_static("x-original-url");
const PROTOCOLS: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-proto"), HeaderName::from_static("x-forwarded-scheme")];
const HOSTS: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-host"), HeaderName::from_static("x-forwarded-server")];
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The request about which a reverse proxy asks, as the proxy's headers tell of it.
///
/// They are read from whoever sends them, trusted proxy or not: the answer is about the cookies and the token that came along, and
/// what the headers say can only make it stricter or change to which page of this site somebody is led. What cannot be read is
/// refused: a proxy and an application that read it in two ways are how strangers got by elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedRequest {
    method: Method,
    target: Option<String>,
}

/// A header that cannot be read. Holds its name and nothing of what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(HeaderName);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The header {} cannot be read.", self.0)
    }
}

impl ForwardedRequest {
    /// Reads what the proxy says. Where it names no method, that of the proxy's own request is taken.
    ///
    /// # Errors
    /// The first header that is there and cannot be read: that is repeated where it may not be, is none of its kind, or says
    /// another thing than its twin.
    pub fn read(own_method: &Method, headers: &HeaderMap) -> Result<Self, Malformed> {
        let method = agreed(headers, &METHODS, |text| is_method(text).then_some(text))?;
        let target = agreed(headers, &TARGETS, |text| is_target(text).then_some(text))?;
        let of_whole = once(headers, &WHOLE_ADDRESS, target_of_whole_address)?;
        if let (Some(target), Some(of_whole)) = (target, of_whole)
            && target != of_whole
        {
            return Err(Malformed(WHOLE_ADDRESS));
        }
        let is_protocol = |text: &str| matches!(text, "http" | "https" | "ws" | "wss").then_some(());
        for name in &PROTOCOLS {
            once(headers, name, is_protocol)?;
        }
        for name in &HOSTS {
            once(headers, name, |text| is_host(text).then_some(()))?;
        }
        once(headers, &PORT, |text| is_port(text).then_some(()))?;
        // Lists, to which each proxy may add a line (RFC 9110, section 5.3).
        all(headers, &FOR, |line| line.split(',').map(str::trim).all(is_hop) && !line.trim().is_empty())?;
        all(headers, &FORWARDED, is_forwarded)?;
        let method = match method {
            Some(text) => Method::from_bytes(text.as_bytes()).map_err(|_| Malformed(METHODS[0].clone()))?,
            None => own_method.clone(),
        };
        Ok(Self { method, target: target.or(of_whole).map(str::to_owned) })
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The page that was asked for; none where the proxy did not say it, or where it is too long to be taken along.
    pub fn page(&self) -> Next {
        self.target.as_deref().map(Next::parse).unwrap_or_default()
    }
}

/// The value of a header that may come once.
fn once<'a, T>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Result<Option<T>, Malformed> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => {
            let value = line.to_str().ok().and_then(read);
            value.map(Some).ok_or_else(|| Malformed(name.clone()))
        }
        (Some(_), Some(_)) => Err(Malformed(name.clone())),
    }
}

/// The value of two headers that say the same.
fn agreed<'a>(
    headers: &'a HeaderMap,
    [first, second]: &[HeaderName; 2],
    read: impl Fn(&'a str) -> Option<&'a str>,
) -> Result<Option<&'a str>, Malformed> {
    match (once(headers, first, &read)?, once(headers, second, &read)?) {
        (Some(one), Some(other)) if one != other => Err(Malformed(second.clone())),
        (one, other) => Ok(one.or(other)),
    }
}

/// All lines of a header that may come more than once.
fn all(headers: &HeaderMap, name: &HeaderName, is_good: impl Fn(&str) -> bool) -> Result<(), Malformed> {
    let mut lines = headers.get_all(name).iter();
    let are_good = lines.all(|line| line.to_str().is_ok_and(&is_good));
    if are_good { Ok(()) } else { Err(Malformed(name.clone())) }
}

/// In capitals, as all that are registered are: `get` is another method than `GET` (RFC 9110, section 9.1).
fn is_method(text: &str) -> bool {
    text.len() <= MAX_METHOD
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

/// Path and query as they stand in a request (RFC 9112, section 3.2.1), with no more than browsers send: no second meaning.
fn is_target(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\');
    if text.len() > MAX_TARGET
        || !text.starts_with('/')
        || text.starts_with("//")
        || !text.bytes().all(is_plain)
    {
        return false;
    }
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    // A query may hold lines of text, and no NUL.
    decoded(query).is_some_and(|query| !query.contains(&0)) && decoded(path).is_some_and(is_path)
}

/// Whether a path, decoded, is a text in which no part leads up or elsewhere.
fn is_path(path: Vec<u8>) -> bool {
    let Ok(path) = String::from_utf8(path) else {
        return false;
    };
    // Some applications take what follows a semicolon for no part of the name: `..;` is then `..`.
    let leads_up =
        path.split('/').any(|part| matches!(part.split(';').next().unwrap_or_default(), "." | ".."));
    !leads_up && !path.starts_with("//") && !path.contains(|c: char| c.is_control() || c == '\\')
}

/// Without percent-encoding; none where that is broken.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    Some(bytes)
}

fn target_of_whole_address(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let (host, target) = rest.split_at(rest.find('/')?);
    (is_host(host) && is_target(target)).then_some(target)
}

/// A name or an address, with or without a port. The name may have underscores, as those of containers do.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ip, port)) if ip.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", port),
        Some(_) => return false,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    host.len() <= MAX_HOST
        && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// An entry of `X-Forwarded-For`. Empty ones are none, and some proxies say that they do not know.
fn is_hop(entry: &str) -> bool {
    entry.is_empty() || entry == "unknown" || address_of_entry(entry.as_bytes()).is_some()
}

/// A line of `Forwarded` (RFC 7239, section 4). Elements and pairs may be empty, and not all of them.
fn is_forwarded(line: &str) -> bool {
    let is_pair = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(name, value)| is_token(name) && (is_token(value) || is_quoted_string(value)))
    };
    let mut pairs =
        split_outside_quotes(line).into_iter().map(str::trim).filter(|pair| !pair.is_empty()).peekable();
    pairs.peek().is_some() && pairs.all(is_pair)
}

/// The parts between commas and semicolons that do not stand within quotes.
fn split_outside_quotes(text: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(|c| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => return !is_quoted && matches!(c, ',' | ';'),
        }
        false
    })
    .collect()
}

/// RFC 9110, section 5.6.4.
fn is_quoted_string(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return false;
    };
    let mut is_escaped = false;
    let is_whole = inner.bytes().all(|byte| {
        let is_inner = is_escaped || byte != b'"';
        is_escaped = !is_escaped && byte == b'\\';
        is_inner
    });
    is_whole && !is_escaped
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&str, &[u8])]) -> HeaderMap {
        let line = |(name, value): &(&str, &[u8])| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    fn read(lines: &[(&str, &str)]) -> Result<ForwardedRequest, Malformed> {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        ForwardedRequest::read(&Method::GET, &headers(&lines))
    }

    #[test]
    fn what_proxies_say_is_read() {
        let caddy = [
            ("x-forwarded-method", "POST"),
            ("x-forwarded-uri", "/app/notes?a=%20b&c[]=|{}"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "example.com:8443"),
            ("x-forwarded-for", "2001:db8::1, 10.0.0.1"),
        ];
        let told = read(&caddy).unwrap();
        assert_eq!(told.method(), Method::POST);
        assert_eq!(told.page().path(), Some("/app/notes?a=%20b&c[]=|{}"));
        let kubernetes = [("x-original-method", "PUT"), ("x-original-url", "https://example.com/app?x=1")];
        let told = read(&kubernetes).unwrap();
        assert_eq!((told.method(), told.page().path()), (&Method::PUT, Some("/app?x=1")));
        let told = read(&[]).unwrap();
        assert_eq!((told.method(), told.page().path()), (&Method::GET, None));
        assert_eq!(ForwardedRequest::read(&Method::POST, &HeaderMap::new()).unwrap().method(), Method::POST);
    }

    /// Each is good by its kind, and stands for many.
    #[test]
    fn good_headers_are_taken() {
        let long = format!("/{}", "a".repeat(8000));
        for (name, value) in [
            ("x-forwarded-method", "VERSION-CONTROL"),
            ("x-forwarded-uri", "/"),
            (
                "x-forwarded-uri",
                "/caf%C3%A9/a%2Fb/c//d;v=1/..a/.well-known/@me?q=100%25&text=a%0D%0Ab&u=https://a.b/",
            ),
            ("x-forwarded-uri", &long),
            ("x-original-uri", "/?"),
            ("x-forwarded-proto", "wss"),
            ("x-forwarded-host", "[2001:db8::1]:8443"),
            ("x-forwarded-host", "my_app.internal."),
            ("x-forwarded-host", "192.0.2.1:80"),
            ("x-forwarded-server", "proxy-1"),
            ("x-forwarded-port", "65535"),
            ("x-forwarded-for", "203.0.113.9:4711, [2001:db8::7]:80,, unknown"),
            ("forwarded", "for=a;, for=b,"),
            ("forwarded", "for=\"[2001:db8::7]:4711\";proto=https;host=\"a,b;c\\\"\", For=192.0.2.1; by=_x"),
        ] {
            assert!(read(&[(name, value)]).is_ok(), "{name}: {value}");
        }
        assert_eq!(
            read(&[("x-forwarded-uri", &long)]).unwrap().page().path(),
            None,
            "too long to be taken along"
        );
        assert!(read(&[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2")]).is_ok());
        assert!(read(&[("x-forwarded-uri", "/a"), ("x-original-uri", "/a")]).is_ok());
    }

    #[track_caller]
    fn assert_refused(name: &str, value: &str) {
        let read = read(&[(name, value)]);
        assert_eq!(read.map_err(|Malformed(name)| name.to_string()), Err(name.to_owned()), "{value:?}");
    }

    #[test]
    fn an_address_that_can_be_read_in_two_ways_is_refused() {
        let long = format!("/{}", "a".repeat(MAX_TARGET));
        for value in [
            "",
            "*",
            "app",
            "?a",
            "#",
            "//evil.test",
            "///",
            "/\\evil.test",
            "\\\\evil.test",
            "/a\\b",
            "/a?b=\\",
            "http://evil.test/",
            "https://evil.test",
            "javascript:alert(1)",
            "/a b",
            "/a\tb",
            "/a#b",
            "/%",
            "/%4",
            "/%zz",
            "/a?q=%",
            "/a?q=%u0041",
            "/%00",
            "/a?b=%00",
            "/%0d%0aSet-Cookie:a=b",
            "/%09/evil.test",
            "/%7f",
            "/%5cevil.test",
            "/a/..",
            "/../a",
            "/./a",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a/..;/b",
            "/a/%2e%2e;x=1",
            "/a/..%2fb",
            "/%2f/evil.test",
            "/%2F%2Fevil.test",
            "/%c0%ae%c0%ae/",
            "/%ff",
            "/caf\u{e9}",
            "/\"",
            "/<script>",
            "/a, /b",
            "/a\u{2028}",
            &long,
        ] {
            assert_refused("x-forwarded-uri", value);
            assert_refused("x-original-uri", value);
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let long_host = "a.".repeat(127);
        for (name, values) in [
            (
                "x-forwarded-method",
                &["", "get", "GET, POST", "GET POST", "G\u{c9}T", "GET\t", "-", &"A".repeat(33)][..],
            ),
            ("x-original-uri", &["https://example.com/", "//evil.test"]),
            (
                "x-original-url",
                &[
                    "/app",
                    "https://example.com",
                    "ftp://example.com/",
                    "https://u@example.com/",
                    "https:///a",
                    "https://example.com//evil.test",
                ],
            ),
            ("x-forwarded-proto", &["", "HTTPS", "https, http", "javascript", "https://"]),
            (
                "x-forwarded-host",
                &[
                    "",
                    "a b",
                    "a,b",
                    "a/b",
                    "https://a",
                    "u@a",
                    "a:0",
                    "a:65536",
                    "a:+80",
                    "a:",
                    "a:80:80",
                    ".",
                    "a..b",
                    "[::1",
                    "[::g]",
                    "::1",
                    "a%2eb",
                    "\u{e9}.test",
                    &long_host,
                ],
            ),
            ("x-forwarded-port", &["", "0", "+80", "65536", "80, 443", "-1", "http"]),
            (
                "x-forwarded-for",
                &[
                    "",
                    "nonsense",
                    "203.0.113.256",
                    "203.0.113.9, nonsense",
                    "<script>",
                    "203.0.113.9;",
                    "for=203.0.113.9",
                ],
            ),
            (
                "forwarded",
                &[
                    "",
                    "nonsense",
                    "for=",
                    "for=\"a",
                    "for=a b",
                    "=a",
                    "for=\"a\"b",
                    "for=\"a\" \"b\"",
                    "for=\"a\\\"",
                    ";,",
                    "for=[::1]",
                ],
            ),
        ] {
            for value in values {
                assert_refused(name, value);
            }
        }
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        for (name, value) in [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-uri", "/a"),
            ("x-original-url", "https://example.com/"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "example.com"),
            ("x-forwarded-port", "443"),
        ] {
            assert!(read(&[(name, value), (name, value)]).is_err(), "{name}");
        }
        for two in [
            [("x-forwarded-method", "GET"), ("x-original-method", "POST")],
            [("x-forwarded-uri", "/a"), ("x-original-uri", "/b")],
            [("x-forwarded-uri", "/a"), ("x-original-url", "https://example.com/b")],
        ] {
            assert!(read(&two).is_err(), "{two:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_a_request_for_this_site(bytes in "[/\\\\.%a-c0-2efEF@:?#;\t\u{0}\u{e9} -]{0,24}") {
            let Ok(value) = HeaderValue::from_bytes(bytes.as_bytes()) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(TARGETS[0].clone(), value)]);
            if let Ok(told) = ForwardedRequest::read(&Method::GET, &headers) {
                let next = told.page();
                let path = next.path().expect("what is taken can be gone back to");
                // A browser comes back to what was asked for, character for character.
                prop_assert_eq!(path, &bytes);
                let here = url::Url::parse("https://example.com/log-in").expect("an address");
                prop_assert_eq!(here.join(path).expect("a path can be followed").origin(), here.origin());
            }
        }

        #[test]
        fn nothing_that_is_sent_makes_it_fail(
            name in 0_usize..9, value in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let names = ["x-forwarded-method", "x-forwarded-uri", "x-original-url", "x-forwarded-proto", "x-forwarded-host",
                "x-forwarded-port", "x-forwarded-for", "forwarded", "x-original-uri"];
            let value: Vec<u8> = value.into_iter().filter(|byte| *byte >= b' ' && *byte != 127).collect();
            let _ = ForwardedRequest::read(&Method::GET, &headers(&[(names[name], &value)]));
        }
    }
}
