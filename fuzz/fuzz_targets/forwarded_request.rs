//! What a reverse proxy may say of a request, and what a stranger may have made it say: whatever is read leads nowhere but to this
//! site, and means the same to whoever reads it next.
#![no_main]

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::{Corpus, fuzz_target};
use url::Url;
use vestibule_web::ForwardedRequest;

/// Each line begins with a letter for its name.
const NAMES: [(u8, &str); 12] = [
    (b'm', "x-forwarded-method"),
    (b'M', "x-original-method"),
    (b'u', "x-forwarded-uri"),
    (b'U', "x-original-uri"),
    (b'w', "x-original-url"),
    (b'p', "x-forwarded-proto"),
    (b's', "x-forwarded-scheme"),
    (b'h', "x-forwarded-host"),
    (b'H', "x-forwarded-server"),
    (b'o', "x-forwarded-port"),
    (b'f', "x-forwarded-for"),
    (b'F', "forwarded"),
];

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some((letter, value)) = line.split_first() else { continue };
        let Some((_, name)) = NAMES.iter().find(|(of, _)| of == letter) else { return Corpus::Reject };
        let Ok(value) = HeaderValue::from_bytes(value) else { return Corpus::Reject };
        headers.append(HeaderName::from_static(name), value);
    }
    let Ok(told) = ForwardedRequest::read(&Method::GET, &headers) else { return Corpus::Keep };

    // What is read was said once and in words that have one meaning.
    for name in
        ["x-forwarded-method", "x-forwarded-uri", "x-original-url", "x-forwarded-host", "x-forwarded-proto"]
    {
        assert!(headers.get_all(name).iter().count() < 2, "{headers:?}");
    }
    let target = headers.get("x-forwarded-uri").map(|value| value.to_str().expect("what is read is text"));
    if let Some(target) = target {
        assert!(target.starts_with('/') && !target.starts_with("//") && !target.contains('\\'), "{target:?}");
        assert!(target.bytes().all(|byte| byte.is_ascii_graphic()), "{target:?}");
        let path = target.split('?').next().expect("a path").to_ascii_lowercase();
        for never in ["/../", "/./", "%00", "%0d", "%0a", "%5c"] {
            assert!(!path.contains(never), "{target:?}");
        }
    }
    if let Some(method) = headers.get("x-forwarded-method") {
        assert_eq!(method, told.method().as_str());
    }
    // And who is led there and back is led to what was asked for, on this site.
    let site = Url::parse("https://example.com/log-in").expect("an address");
    let next = told.page();
    let led = site.join(next.or("/dashboard")).expect("a path can be followed");
    assert_eq!(led.origin(), site.origin(), "{headers:?} leads to {led}");
    if let (Some(target), Some(path)) = (target, next.path()) {
        let as_a_browser = site.join(target).expect("a path");
        assert_eq!(led, as_a_browser, "{target:?} and {path:?}");
    }
    Corpus::Keep
});
