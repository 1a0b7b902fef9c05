//! Cookies as a stranger may send them: read without a panic, and never taken for one that this server made.
#![no_main]

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::{Corpus, fuzz_target};
use vestibule::models::{Device, RefreshToken, SecretKey, ServerKeys};
use vestibule::ports::OsRandom;
use vestibule_web::{CookieNames, CookieValues};

static KEYS: LazyLock<ServerKeys> = LazyLock::new(|| SecretKey::generate(&OsRandom).derive());

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // Lines of one request, as a client may send the header more than once.
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { return Corpus::Reject };
        headers.append(header::COOKIE, value);
    }
    for is_https in [false, true] {
        let _ = CookieValues::read(&headers, &CookieNames::new(is_https));
    }

    // The MAC is of a key that the fuzzer has not: whatever it makes up is refused.
    let text = String::from_utf8_lossy(bytes);
    assert!(RefreshToken::from_cookie(&text, &KEYS).is_none());
    assert!(Device::from_cookie(&text, &KEYS).is_none());

    // Neither is a real one that was changed.
    let real = RefreshToken::generate(&OsRandom).to_cookie(&KEYS);
    if let Some(changed) = changed(&real, bytes) {
        assert!(RefreshToken::from_cookie(&changed, &KEYS).is_none(), "{changed}");
    }
    Corpus::Keep
});

/// A text in which one place is another: the first byte says where, the rest what stands there.
fn changed(text: &str, bytes: &[u8]) -> Option<String> {
    let (place, with) = bytes.split_first()?;
    let place = usize::from(*place) % text.len();
    let with = String::from_utf8_lossy(with);
    let length = with.len().min(text.len() - place);
    let changed = format!("{}{with}{}", &text[..place], &text[place + length..]);
    (changed != text).then_some(changed)
}
