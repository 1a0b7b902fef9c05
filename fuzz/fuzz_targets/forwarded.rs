//! `X-Forwarded-For` and `Forwarded` as a stranger may send them, alone and through a proxy that adds its own: whatever they
//! claim, a request comes from where the socket or the trusted proxy says.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};
use libfuzzer_sys::{Corpus, fuzz_target};
use vestibule_web::TrustedProxies;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Where the request really comes from.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
/// A proxy, and another before it.
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const NETWORKS: &str = "10.0.0.0/8, 2001:db8:ffff::/48, 127.0.0.1";

static PROXIES: LazyLock<TrustedProxies> = LazyLock::new(|| NETWORKS.parse().expect("they are networks"));

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // Lines of the two headers, in any order: those of `Forwarded` begin with `f`.
    let mut claimed = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let (name, line) = match line.split_first() {
            Some((b'f', rest)) => (FORWARDED, rest),
            Some((_, rest)) => (X_FORWARDED_FOR, rest),
            None => (X_FORWARDED_FOR, line),
        };
        let Ok(value) = HeaderValue::from_bytes(line) else { return Corpus::Reject };
        claimed.push((name, value));
    }
    let headers: HeaderMap = claimed.iter().cloned().collect();

    // Whoever speaks for themselves is where their socket is.
    assert_eq!(PROXIES.client_address(STRANGER, &headers), Some(STRANGER));
    assert_eq!(TrustedProxies::default().client_address(PROXY, &headers), Some(PROXY));

    // A proxy that adds nothing tells what it was told. Nothing of it makes it fail, and one address has one spelling.
    let told = PROXIES.client_address(PROXY, &headers);
    assert!(told.is_none_or(|told| told == told.to_canonical()));

    // One that adds what it saw is believed, with another proxy behind it as well, on the same line or on one of its own.
    for (name, seen) in [(X_FORWARDED_FOR, "203.0.113.9"), (FORWARDED, "for=203.0.113.9")] {
        // A proxy that writes `Forwarded` must not let a stranger's `X-Forwarded-For` pass, which goes before it.
        let claimed = claimed.iter().filter(|(header, _)| name == X_FORWARDED_FOR || *header == FORWARDED);
        let mut apart: HeaderMap = claimed.cloned().collect();
        let mut together = apart.clone();
        let last = together.get_all(&name).iter().next_back().map_or(&b""[..], HeaderValue::as_bytes);
        let line = [last, b", ", seen.as_bytes()].concat();
        let line = HeaderValue::from_bytes(&line).expect("both parts are values of headers");
        let mut lines: Vec<HeaderValue> = together.get_all(&name).iter().cloned().collect();
        lines.pop();
        together.remove(&name);
        for line in lines.into_iter().chain([line]) {
            together.append(name.clone(), line);
        }
        apart.append(name.clone(), HeaderValue::from_static(seen));
        for mut headers in [apart, together] {
            assert_eq!(PROXIES.client_address(PROXY, &headers), Some(STRANGER), "{headers:?}");
            let hop = if name == X_FORWARDED_FOR { "10.0.0.2" } else { "for=10.0.0.2" };
            headers.append(name.clone(), HeaderValue::from_static(hop));
            assert_eq!(PROXIES.client_address(PROXY, &headers), Some(STRANGER), "{headers:?}");
        }
    }
    Corpus::Keep
});
