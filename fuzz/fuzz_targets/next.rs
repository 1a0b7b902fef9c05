//! Where somebody is led after a log-in: whatever is asked for, a browser stays on this site.
#![no_main]

use libfuzzer_sys::fuzz_target;
use url::Url;
use vestibule_web::Next;

fuzz_target!(|text: &str| {
    let site = Url::parse("https://example.com/log-in").expect("an address");
    let next = Next::parse(text);
    let led = site.join(next.or("/dashboard")).expect("a path can be followed");
    assert_eq!(led.origin(), site.origin(), "{text:?} leads to {led}");
    assert!(led.username().is_empty() && led.password().is_none(), "{text:?} leads to {led}");

    // And what is taken along to the next page is taken for the same there.
    let link = next.link("/log-in");
    let link = site.join(&link).expect("a link can be followed");
    assert_eq!(link.path(), "/log-in");
    let kept = link.query_pairs().find(|(name, _)| name == "next").map(|(_, value)| value.into_owned());
    assert_eq!(Next::parse(kept.as_deref().unwrap_or_default()).path(), next.path());
});
