use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::body::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use time::{Duration, OffsetDateTime};
use url::{Host, Url};
use vestibule::models::LeakFingerprint;
use vestibule::ports::{BreachedPasswords, Clock};

use crate::https_client::{HttpsClient, USER_AGENT};

const HAVE_I_BEEN_PWNED: &str = "https://api.pwnedpasswords.com";
/// A person waits for it. One attempt, and then the sign-up goes on without it.
const TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(1);
/// A range has about a thousand lines of 40 bytes, padding included.
const MAX_ANSWER_BYTES: usize = 512 * 1024;
/// After a failure nobody is asked for so long, twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::seconds(10);
const LONGEST_PAUSE: Duration = Duration::minutes(5);

/// A checked `VESTIBULE_BREACHED_PASSWORDS_API`: Have I Been Pwned, or a mirror of its range API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeApiUrl(String);

/// Why a text is not taken for one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it must be `on`, `off`, or the https URL of a mirror, without user, password, `?` and `#`")]
pub struct RangeApiUrlError;

impl RangeApiUrl {
    /// The service of Have I Been Pwned.
    pub fn have_i_been_pwned() -> Self {
        Self(HAVE_I_BEEN_PWNED.to_owned())
    }
}

impl FromStr for RangeApiUrl {
    type Err = RangeApiUrlError;

    fn from_str(text: &str) -> Result<Self, RangeApiUrlError> {
        let url = Url::parse(text.trim()).map_err(|_| RangeApiUrlError)?;
        let is_this_machine = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_this_machine);
        let has_more = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if !is_safe || has_more || !url.has_host() {
            return Err(RangeApiUrlError);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for RangeApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Asks a service for all leaked passwords whose fingerprint begins with the same five digits, and looks for the rest
/// itself: nothing else about a password leaves the machine. The answer is padded, so that its length tells nothing to
/// who watches the line.
///
/// It never stands in anybody's way. A service that is down, hangs, leads elsewhere or answers with something else costs
/// the one who asked a second, is told in one line of the log, and is left alone for a while.
pub struct RangeApi {
    url: RangeApiUrl,
    client: HttpsClient,
    clock: Arc<dyn Clock>,
    breaker: Mutex<Breaker>,
}

/// Keeps from asking what did not answer.
#[derive(Default)]
struct Breaker {
    failures: u32,
    /// Goes up with each failure, so that many that wait for the same silence count as one.
    epoch: u64,
    closed_until: Option<OffsetDateTime>,
}

impl RangeApi {
    /// A way to ask a service.
    ///
    /// # Errors
    /// In words, where the system has no certificates to trust.
    pub fn new(url: &RangeApiUrl, clock: Arc<dyn Clock>) -> Result<Self, String> {
        Ok(Self { url: url.clone(), client: HttpsClient::new()?, clock, breaker: Mutex::default() })
    }

    async fn ask(&self, password: &LeakFingerprint) -> Result<bool, String> {
        let request = Request::get(format!("{}/range/{}", self.url, password.range()))
            .header("Add-Padding", "true")
            .header("User-Agent", USER_AGENT)
            .body(Full::new(Bytes::new()))
            .map_err(|error| error.to_string())?;
        let answer = self.client.ask(request).await?;
        if answer.status != StatusCode::OK {
            return Err(format!("it answered {}", answer.status.as_u16()));
        }
        let body = answer.body(MAX_ANSWER_BYTES).await?;
        let body = std::str::from_utf8(&body).map_err(|_| "it answered with something else than a range")?;
        is_in_range(body, password).ok_or_else(|| "it answered with something else than a range".to_owned())
    }

    /// Whether to ask now, and in which epoch. When a pause is over, one tries and the others go on without.
    fn may_ask(&self) -> Option<u64> {
        let now = self.clock.now();
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = breaker.closed_until {
            if now < until {
                return None;
            }
            let longest = Duration::try_from(TIME_LIMIT).unwrap_or(FIRST_PAUSE);
            breaker.closed_until = Some(now + longest);
        }
        Some(breaker.epoch)
    }

    fn note_answer(&self) {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let was_silent = breaker.failures > 0;
        *breaker = Breaker { epoch: breaker.epoch, ..Breaker::default() };
        drop(breaker);
        if was_silent {
            tracing::info!(service = %self.url, "leaked passwords: the service answers again");
        }
    }

    fn note_failure(&self, epoch: u64, cause: &str) {
        let now = self.clock.now();
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if breaker.epoch != epoch {
            return;
        }
        let pause = (FIRST_PAUSE * 2_i32.pow(breaker.failures.min(10))).min(LONGEST_PAUSE);
        breaker.failures += 1;
        breaker.epoch += 1;
        breaker.closed_until = Some(now + pause);
        drop(breaker);
        tracing::warn!(
            service = %self.url,
            cause,
            pause_s = pause.whole_seconds(),
            "leaked passwords: the service did not answer, new passwords are taken without it for a while"
        );
    }
}

/// Looks through lines of `REST:COUNT`. Nothing where it is not such lines. A count of 0 is padding.
fn is_in_range(body: &str, password: &LeakFingerprint) -> Option<bool> {
    let (mut has_lines, mut is_found) = (false, false);
    for line in body.lines().filter(|line| !line.is_empty()) {
        let (rest, count) = line.split_once(':')?;
        let count: u64 = count.trim_ascii_end().parse().ok()?;
        if rest.len() != LeakFingerprint::REST_DIGITS || !rest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        has_lines = true;
        is_found |= count > 0 && password.has_rest(rest);
    }
    has_lines.then_some(is_found)
}

#[async_trait]
impl BreachedPasswords for RangeApi {
    async fn contain(&self, password: &LeakFingerprint) -> bool {
        let Some(epoch) = self.may_ask() else {
            return false;
        };
        let asked = tokio::time::timeout(TIME_LIMIT, self.ask(password)).await;
        match asked.unwrap_or_else(|_| Err(format!("no end after {} s", TIME_LIMIT.as_secs_f64()))) {
            Ok(is_leaked) => {
                self.note_answer();
                is_leaked
            }
            Err(cause) => {
                self.note_failure(epoch, &cause);
                false
            }
        }
    }

    fn asks_outside(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_asked_by_https_or_on_this_machine() {
        for (text, shown) in [
            ("https://leaks.example.com", "https://leaks.example.com"),
            ("https://leaks.example.com/hibp/", "https://leaks.example.com/hibp"),
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
            ("http://localhost:8081/", "http://localhost:8081"),
            ("http://[::1]:8081", "http://[::1]:8081"),
        ] {
            assert_eq!(text.parse::<RangeApiUrl>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "yes",
            "http://leaks.example.com",
            "http://localhost.evil.test",
            "ftp://127.0.0.1",
            "https://ann:hunter2@leaks.example.com",
            "https://leaks.example.com/?key=1",
            "https://leaks.example.com/#x",
            "file:///etc/passwd",
        ] {
            assert_eq!(text.parse::<RangeApiUrl>(), Err(RangeApiUrlError), "{text}");
        }
    }

    #[test]
    fn a_range_is_lines_of_a_rest_and_a_count_and_nothing_else() {
        let password = LeakFingerprint::of("password");
        let (rest, other) = ("1E4C9B93F3F0682250B6CF8331B7EE68FD8", "0".repeat(35));
        assert_eq!(is_in_range(&format!("{other}:3\r\n{rest}:9545824\r\n"), &password), Some(true));
        assert_eq!(is_in_range(&format!("{other}:3\r\n"), &password), Some(false));
        assert_eq!(is_in_range(&format!("{rest}:0\r\n{other}:3"), &password), Some(false), "padding");
        for body in [
            String::new(),
            "<html>busy</html>".to_owned(),
            rest.to_owned(),
            format!("{rest}:many"),
            format!("{rest}:-1"),
            format!("{}:1", &rest[1..]),
            format!("{rest}:1\n<html>"),
            format!("{}:1", "é".repeat(18)),
        ] {
            assert_eq!(is_in_range(&body, &password), None, "{body}");
        }
    }
}
