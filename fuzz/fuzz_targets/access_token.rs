//! Access tokens as a stranger may send them: none verifies that this server did not sign.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use vestibule::models::{AccessClaims, KeyRing, RefreshToken, SecretKey, SigningKey, UserId};
use vestibule::ports::OsRandom;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

struct Server {
    ring: KeyRing,
    token: String,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let keys = SecretKey::generate(&OsRandom).derive();
    let sealed = SigningKey::generate(1, NOW, &OsRandom).seal(&keys, &OsRandom);
    let ring = KeyRing::open(&[sealed], &keys, "https://example.com".to_owned()).expect("it was just sealed");
    let claims = AccessClaims {
        user_id: UserId::from(Uuid::nil()),
        session: RefreshToken::generate(&OsRandom).session.hash(),
        issued_at: NOW,
        expires_at: NOW + Duration::minutes(5),
    };
    let token = ring.sign(&claims, Uuid::nil());
    assert!(ring.verify(&token, NOW).is_ok());
    Server { ring, token }
});

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    assert!(SERVER.ring.verify(&text, NOW).is_err());

    // A real one of which a part is another: header, claims or signature.
    let mut parts: Vec<&str> = SERVER.token.split('.').collect();
    let Some((which, with)) = text.split_at_checked(1) else { return };
    let part = match which {
        "h" => 0,
        "c" => 1,
        _ => 2,
    };
    if parts[part] == with {
        return;
    }
    parts[part] = with;
    let changed = parts.join(".");
    assert!(SERVER.ring.verify(&changed, NOW).is_err(), "{changed}");
});
