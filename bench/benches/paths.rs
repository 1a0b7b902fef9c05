//! How long each part of a session check takes, and a page: `cargo bench --package bench`.

use std::sync::LazyLock;

use bench::in_process::InProcess;
use time::OffsetDateTime;
use tokio::runtime::Runtime;
use vestibule::models::{SecretKey, ServerKeys};
use vestibule::ports::{Clock, OsRandom, Random, SystemClock};

const RANDOM: &dyn Random = &OsRandom;

static KEYS: LazyLock<ServerKeys> = LazyLock::new(|| SecretKey::generate(RANDOM).derive());
/// On this thread alone: what is measured is the work and not the way between threads. The embedded database has its own.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
});
static SITE: LazyLock<InProcess> =
    LazyLock::new(|| RUNTIME.block_on(InProcess::open(1000)).expect("the site can be opened"));
static FORGETFUL_SITE: LazyLock<InProcess> =
    LazyLock::new(|| RUNTIME.block_on(InProcess::open(0)).expect("the site can be opened"));

fn main() {
    divan::main();
}

fn now() -> OffsetDateTime {
    SystemClock.now()
}

mod cookies {
    use axum::http::{HeaderMap, HeaderValue, header};
    use divan::{Bencher, black_box};
    use vestibule::models::{Device, RefreshToken};
    use vestibule_web::{CookieNames, CookieValues};

    use super::{KEYS, RANDOM, SITE};

    #[divan::bench]
    fn read_the_header(bencher: Bencher) {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&SITE.cookies).expect("cookies are a header");
        headers.insert(header::COOKIE, value);
        let names = CookieNames::new(false);
        bencher.bench_local(|| CookieValues::read(black_box(&headers), &names));
    }

    #[divan::bench]
    fn authenticate_the_refresh_cookie(bencher: Bencher) {
        let cookie = RefreshToken::generate(RANDOM).to_cookie(&KEYS);
        bencher.bench_local(|| RefreshToken::from_cookie(black_box(&cookie), &KEYS));
    }

    #[divan::bench]
    fn hash_the_refresh_secret(bencher: Bencher) {
        let token = RefreshToken::generate(RANDOM);
        bencher.bench_local(|| black_box(&token).secret.hash());
    }

    #[divan::bench]
    fn derive_the_next_refresh_secret(bencher: Bencher) {
        let token = RefreshToken::generate(RANDOM);
        bencher.bench_local(|| black_box(&token).successor(&KEYS));
    }

    #[divan::bench]
    fn authenticate_the_device_cookie(bencher: Bencher) {
        let cookie = Device::generate(RANDOM).to_cookie(&KEYS);
        bencher.bench_local(|| Device::from_cookie(black_box(&cookie), &KEYS));
    }
}

mod csrf {
    use divan::{Bencher, black_box};
    use vestibule::models::CsrfToken;

    use super::RANDOM;

    #[divan::bench]
    fn compare_the_token(bencher: Bencher) {
        let token = CsrfToken::generate(RANDOM);
        let text = token.as_str().to_owned();
        bencher.bench_local(|| black_box(&token).matches(black_box(&text)));
    }
}

mod access_token {
    use divan::{Bencher, black_box};
    use time::Duration;
    use vestibule::models::{AccessClaims, KeyRing, RefreshToken, SigningKey, UserId};

    use super::{KEYS, RANDOM, now};

    fn ring_and_claims() -> (KeyRing, AccessClaims) {
        let key = SigningKey::generate(1, now(), RANDOM).for_tokens_of(Duration::minutes(5));
        let sealed = key.seal(&KEYS, RANDOM);
        let ring = KeyRing::open(&[sealed], &KEYS, "http://localhost:3000".to_owned()).expect("our own key");
        let claims = AccessClaims {
            user_id: UserId::new(now(), RANDOM),
            session: RefreshToken::generate(RANDOM).session.hash(),
            issued_at: now(),
            expires_at: now() + Duration::hours(1),
        };
        (ring, claims)
    }

    #[divan::bench]
    fn sign(bencher: Bencher) {
        let (ring, claims) = ring_and_claims();
        let jti = RANDOM.uuid_v7(now());
        bencher.bench_local(|| ring.sign(black_box(&claims), jti));
    }

    #[divan::bench]
    fn verify(bencher: Bencher) {
        let (ring, claims) = ring_and_claims();
        let (token, now) = (ring.sign(&claims, RANDOM.uuid_v7(now())), now());
        bencher.bench_local(|| ring.verify(black_box(&token), now));
    }
}

mod requests {
    use divan::Bencher;

    use super::{FORGETFUL_SITE, RUNTIME, SITE};

    #[divan::bench]
    fn health(bencher: Bencher) {
        bencher.bench_local(|| RUNTIME.block_on(SITE.get("/healthz", "")).expect("it is answered"));
    }

    #[divan::bench]
    fn check_a_session_that_is_read(bencher: Bencher) {
        bencher.bench_local(|| RUNTIME.block_on(FORGETFUL_SITE.check()).expect("they are logged in"));
    }

    #[divan::bench]
    fn check_a_session_that_is_remembered(bencher: Bencher) {
        bencher.bench_local(|| RUNTIME.block_on(SITE.check()).expect("they are logged in"));
    }

    /// A template of the pages and the layout around it.
    #[divan::bench]
    fn render_the_log_in_page(bencher: Bencher) {
        bencher.bench_local(|| RUNTIME.block_on(SITE.get("/log-in", "")).expect("it is answered"));
    }
}
