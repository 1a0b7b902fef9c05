//! Addresses: what is taken is one mailbox, canonical, and the same when it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::models::{EmailAddress, PersonName};

fuzz_target!(|text: &str| {
    if let Ok(email) = EmailAddress::parse(text) {
        let canonical = email.as_str();
        assert_eq!(EmailAddress::parse(canonical).as_ref(), Ok(&email), "{text:?}");
        assert_eq!(canonical.matches('@').count(), 1, "{text:?}");
        assert_eq!(canonical, canonical.trim().to_lowercase(), "{text:?}");
        let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && !",;<>\"()[]\\:".contains(c);
        assert!(canonical.chars().all(is_plain), "{text:?} could reach another mailbox or break a header");
    }
    if let Ok(name) = PersonName::parse(text) {
        assert_eq!(PersonName::parse(name.as_str()).as_ref(), Ok(&name), "{text:?}");
        assert!(!name.as_str().chars().any(char::is_control), "{text:?}");
    }
});
