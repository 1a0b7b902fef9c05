use ::vestibule::models::{CsrfProof, CsrfToken};
use ::vestibule::services::{BegunSignUp, LoggedIn, PresentedSession, ShownValues};
use axum::http::{HeaderMap, HeaderValue, header};
use memchr::{memchr, memchr_iter};
use time::{Duration, OffsetDateTime};

/// The CSRF cookie is good as long as its session is and the device cookie for ever, so they have no expiry of their
/// own; browsers keep no cookie longer than this (RFC 6265bis, section 5.5).
const LONGEST_MAX_AGE: Duration = Duration::days(400);

/// The names of the cookies. On https they carry the prefix `__Host-`: the browser then takes them only from this
/// host, over https, without a `Domain`, so neither a neighbouring subdomain nor plain http can plant one. On
/// plain http, which is for development, browsers do not take the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieNames {
    /// The access token.
    pub access: &'static str,
    /// Session id and secret.
    pub refresh: &'static str,
    /// The CSRF token.
    pub csrf: &'static str,
    /// The browser's own name.
    pub device: &'static str,
    /// What a browser is known by that began a sign-up.
    pub sign_up: &'static str,
    is_https: bool,
}

impl CookieNames {
    /// The names for a site on https, or on plain http.
    pub fn new(is_https: bool) -> Self {
        if is_https {
            Self {
                access: "__Host-vestibule_access",
                refresh: "__Host-vestibule_refresh",
                csrf: "__Host-vestibule_csrf",
                device: "__Host-vestibule_device",
                sign_up: "__Host-vestibule_sign_up",
                is_https,
            }
        } else {
            Self {
                access: "vestibule_access",
                refresh: "vestibule_refresh",
                csrf: "vestibule_csrf",
                device: "vestibule_device",
                sign_up: "vestibule_sign_up",
                is_https,
            }
        }
    }

    /// The three cookies of a new session and, after a log-in or a sign-up, the browser's own name.
    pub(crate) fn of_new_session(&self, logged_in: &LoggedIn, now: OffsetDateTime) -> Vec<HeaderValue> {
        let mut cookies = self.of_refreshed_session(logged_in, now);
        cookies.push(self.csrf_cookie(&logged_in.tokens.csrf));
        let device = logged_in.tokens.device.as_ref();
        cookies.extend(device.map(|device| self.device_cookie(device)));
        cookies
    }

    /// The browser's own name.
    pub(crate) fn device_cookie(&self, device: &str) -> HeaderValue {
        self.hidden(self.device, device, LONGEST_MAX_AGE)
    }

    /// The two cookies that a refresh changes.
    pub(crate) fn of_refreshed_session(&self, logged_in: &LoggedIn, now: OffsetDateTime) -> Vec<HeaderValue> {
        let tokens = &logged_in.tokens;
        vec![
            self.hidden(self.access, &tokens.access, tokens.access_expires_at - now),
            self.hidden(self.refresh, &tokens.refresh, logged_in.session.expires_at - now),
        ]
    }

    /// What a browser is known by that began a sign-up, for as long as that waits.
    pub(crate) fn of_begun_sign_up(&self, begun: &BegunSignUp, now: OffsetDateTime) -> HeaderValue {
        self.hidden(self.sign_up, &begun.cookie, begun.expires_at - now)
    }

    /// Removes that: the sign-up is done.
    pub(crate) fn without_sign_up(&self) -> HeaderValue {
        self.hidden(self.sign_up, "", Duration::ZERO)
    }

    /// The CSRF cookie, which scripts of the site may read.
    pub(crate) fn csrf_cookie(&self, token: &CsrfToken) -> HeaderValue {
        self.cookie(self.csrf, token.as_str(), LONGEST_MAX_AGE, "")
    }

    /// Removes the three of the session. The browser's own name stays: its next log-in is no news.
    pub(crate) fn cleared(&self) -> Vec<HeaderValue> {
        [self.access, self.refresh]
            .into_iter()
            .map(|name| self.hidden(name, "", Duration::ZERO))
            .chain([self.cookie(self.csrf, "", Duration::ZERO, "")])
            .collect()
    }

    fn hidden(&self, name: &str, value: &str, max_age: Duration) -> HeaderValue {
        self.cookie(name, value, max_age, "; HttpOnly")
    }

    fn cookie(&self, name: &str, value: &str, max_age: Duration, http_only: &str) -> HeaderValue {
        let secure = if self.is_https { "; Secure" } else { "" };
        // Rounded up: the moments since the session was made must not take a second from its lifetime.
        let seconds = max_age.as_seconds_f64().ceil().max(0.0);
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; SameSite=Lax{http_only}{secure}");
        let mut cookie = HeaderValue::try_from(text).expect("names and base64 are visible ASCII");
        cookie.set_sensitive(true);
        cookie
    }
}

/// Our cookies in a request.
#[derive(Clone, Default)]
pub struct CookieValues<'h> {
    access: ShownValues<'h>,
    refresh: ShownValues<'h>,
    csrf: ShownValues<'h>,
    device: ShownValues<'h>,
    sign_up: ShownValues<'h>,
}

impl<'h> CookieValues<'h> {
    /// Reads the `Cookie` headers. What is not text is no cookie of ours, and does not hide those beside it: browsers
    /// send all cookies in one header, also those that a neighbouring host has set.
    pub fn read(headers: &'h HeaderMap, names: &CookieNames) -> Self {
        let mut cookies = Self::default();
        for header in headers.get_all(header::COOKIE) {
            let header = header.as_bytes();
            let mut from = 0;
            for end in memchr_iter(b';', header).chain([header.len()]) {
                cookies.note(&header[from..end], names);
                from = end + 1;
            }
        }
        cookies
    }

    fn note(&mut self, pair: &'h [u8], names: &CookieNames) {
        let pair = pair.trim_ascii();
        let Some(end) = memchr(b'=', pair) else { return };
        let (name, value) = (&pair[..end], &pair[end + 1..]);
        let of_name = match name {
            name if name == names.access.as_bytes() => &mut self.access,
            name if name == names.refresh.as_bytes() => &mut self.refresh,
            name if name == names.csrf.as_bytes() => &mut self.csrf,
            name if name == names.device.as_bytes() => &mut self.device,
            name if name == names.sign_up.as_bytes() => &mut self.sign_up,
            _ => return,
        };
        if let Ok(value) = str::from_utf8(value) {
            of_name.push(value);
        }
    }

    /// What the service is shown.
    pub(crate) fn presented<'a>(self, csrf: CsrfProof<'a>) -> PresentedSession<'a>
    where
        'h: 'a,
    {
        PresentedSession {
            access: self.access,
            refresh: self.refresh,
            csrf_cookies: self.csrf,
            csrf,
            received_at: None,
            devices: self.device,
        }
    }

    /// The browser's own names, as a log-in or a sign-up is shown them.
    pub(crate) fn devices(&self) -> ShownValues<'h> {
        self.device.clone()
    }

    /// The sign-ups that the browser began.
    pub(crate) fn sign_ups(&self) -> ShownValues<'h> {
        self.sign_up.clone()
    }

    /// Whether there is anything to check.
    pub(crate) fn is_empty(&self) -> bool {
        self.access.is_empty() && self.refresh.is_empty()
    }
}

/// Whether a cookie's name came more than once: nobody's honest doing, and never a reason to send a person in circles.
pub(crate) fn has_duplicates(presented: &PresentedSession<'_>) -> bool {
    [&presented.access, &presented.refresh, &presented.csrf_cookies]
        .into_iter()
        .any(|values| values.len() > 1)
}

/// Adds cookies to an answer, except those that it sets itself: a log-out after a refresh in the same request
/// must not bring the session's cookies back.
pub(crate) fn add_unless_set(headers: &mut HeaderMap, cookies: Vec<HeaderValue>) {
    if cookies.is_empty() {
        return;
    }
    let name_of =
        |cookie: &HeaderValue| cookie.as_bytes().split(|byte| *byte == b'=').next().map(<[u8]>::to_vec);
    let already_set: Vec<_> = headers.get_all(header::SET_COOKIE).iter().map(name_of).collect();
    for cookie in cookies {
        if !already_set.contains(&name_of(&cookie)) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&'static str]) -> HeaderMap {
        let values = cookies.iter().map(|cookie| (header::COOKIE, HeaderValue::from_static(cookie)));
        values.collect()
    }

    #[test]
    fn all_values_of_a_name_are_read_in_order() {
        let names = CookieNames::new(false);
        let headers =
            headers(&["vestibule_access=one; other=x;vestibule_access=two", "vestibule_csrf=three"]);
        let read = CookieValues::read(&headers, &names);
        assert_eq!(*read.access, ["one", "two"]);
        assert_eq!(*read.csrf, ["three"]);
        assert!(read.refresh.is_empty() && has_duplicates(&read.presented(CsrfProof::NotNeeded)));
    }

    #[test]
    fn on_https_a_bare_cookie_is_not_ours() {
        let names = CookieNames::new(true);
        let headers = headers(&["vestibule_access=planted; __Host-vestibule_access=real"]);
        let read = CookieValues::read(&headers, &names);
        assert_eq!(*read.access, ["real"]);
    }

    #[test]
    fn what_is_not_text_is_no_cookie() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_bytes(b"vestibule_access=\xff").unwrap());
        headers.append(header::COOKIE, HeaderValue::from_static(";;=; =x; vestibule_access"));
        assert!(CookieValues::read(&headers, &CookieNames::new(false)).is_empty());
    }

    /// A neighbouring host may plant what a browser does not hold to the rules of the prefix: its name begins with white space.
    #[test]
    fn a_name_with_white_space_of_other_scripts_before_it_is_not_ours() {
        let planted = "\u{2000}__Host-vestibule_access=planted; \u{a0}__Host-vestibule_refresh=planted";
        let sent = HeaderValue::from_bytes(planted.as_bytes()).unwrap();
        let headers = [(header::COOKIE, sent)].into_iter().collect();
        assert!(CookieValues::read(&headers, &CookieNames::new(true)).is_empty());
    }

    #[test]
    fn a_foreign_cookie_that_is_not_text_does_not_hide_ours() {
        let mut headers = HeaderMap::new();
        let sent = HeaderValue::from_bytes(b"theirs=\xff\xc3\xa9; vestibule_access=ours").unwrap();
        headers.append(header::COOKIE, sent);
        assert_eq!(CookieValues::read(&headers, &CookieNames::new(false)).access[..], ["ours"]);
    }

    #[test]
    fn attributes_are_those_of_the_contract() {
        let cleared = CookieNames::new(true).cleared();
        assert_eq!(cleared[0], "__Host-vestibule_access=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure");
        assert_eq!(cleared[2], "__Host-vestibule_csrf=; Path=/; Max-Age=0; SameSite=Lax; Secure");
        let cleared = CookieNames::new(false).cleared();
        assert_eq!(cleared[1], "vestibule_refresh=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly");
    }

    #[test]
    fn what_the_answer_sets_itself_is_not_set_again() {
        let names = CookieNames::new(false);
        let mut headers = HeaderMap::new();
        headers.append(header::SET_COOKIE, HeaderValue::from_static("vestibule_access=; Max-Age=0"));
        add_unless_set(&mut headers, names.cleared());
        assert_eq!(headers.get_all(header::SET_COOKIE).iter().count(), 3);
    }
}
