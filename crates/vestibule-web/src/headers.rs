use axum::http::header::Entry;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::Response;

use crate::vestibule::Vestibule;

const PRIVATE: &str = "private, no-store";

/// Headers of every answer that does not set them itself. `docs/security/headers.md` tells what each is for.
///
/// `Cache-Control`: an answer with a session's cookies or data that a shared cache kept would be handed to others.
/// `Content-Security-Policy`: nothing is loaded but our own styles, scripts, pictures and fonts, nothing is sent elsewhere,
/// and no script or style stands within a page: markup that a stranger smuggled in does nothing (cross-site scripting).
/// `X-Frame-Options`: for browsers that do not know `frame-ancestors`. Who frames a page lets people click on what they
/// do not see (clickjacking).
/// `Referrer-Policy`: addresses of our pages are not told to other sites, and those of links from mails, which hold a
/// token, to nobody, this site included.
/// `Cross-Origin-*`: no other site gets hold of our windows, or of our answers in its own process (XS-Leaks, Spectre).
/// `Permissions-Policy`: nothing here needs a camera, so what is smuggled in has none.
const DEFAULTS: [(HeaderName, &str); 8] = [
    (header::CACHE_CONTROL, PRIVATE),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), hid=(), microphone=(), midi=(), payment=(), serial=(), usb=()",
    ),
];

/// The same of answers that are data. What is left away tells browsers what a page may do, and these are none: nothing is loaded,
/// opened or sent from them. More than half of the bytes of a short answer were such headers.
const DEFAULTS_OF_DATA: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, PRIVATE),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
/// The kinds of data.
const DATA: [&str; 2] = ["application/json", "application/problem+json"];

/// A year, on https only: a browser that saw it never speaks plain http with this host again, so nobody in between can
/// keep it from https (SSL stripping). Without `includeSubDomains`: what other hosts below this one speak is not ours to
/// decide, and they could not be reached for a year.
const HSTS: &str = "max-age=31536000";

/// What goes with the end of a session: the browser forgets what pages of it it kept, and what the script stored. Not
/// `cookies`: those of the session are removed by name, and the browser's own name stays.
pub(crate) const CLEAR_SITE_DATA: (HeaderName, HeaderValue) =
    (HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\", \"storage\""));

/// The pages that links from mails lead to.
const PAGES_WITH_TOKENS: [&str; 4] =
    ["/confirm-email", "/confirm-sign-up", "/confirm-sign-up/decline", "/reset-password"];
/// Nobody is told more than the origin. `no-referrer` would say as little, and have browsers without Fetch Metadata send the
/// forms of these pages with `Origin: null`, as a stranger's page would: all of them where the public URL is plain http in
/// a private network, and Safari before 16.4.
const OF_PAGES_WITH_TOKENS: &str = "strict-origin";
/// An invitation leads to a page that is there without one too.
const INVITED: (&str, &str) = ("/sign-up", "invite=");

/// What of an address matters for the headers of its answer.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    has_token: bool,
}

impl Place {
    pub(crate) fn of(address: &Uri) -> Self {
        let (path, query) = (address.path(), address.query().unwrap_or_default());
        let is_invited = path == INVITED.0 && query.contains(INVITED.1);
        Self { has_token: is_invited || PAGES_WITH_TOKENS.contains(&path) }
    }
}

/// What answers have that do not set it themselves.
pub(crate) struct Defaults {
    of_pages: Vec<(HeaderName, HeaderValue)>,
    of_data: Vec<(HeaderName, HeaderValue)>,
}

impl Defaults {
    /// Those of a site on https, or on plain http.
    pub(crate) fn new(is_https: bool) -> Self {
        let hsts = is_https.then_some((header::STRICT_TRANSPORT_SECURITY, HSTS));
        let all = |defaults: &[(HeaderName, &'static str)]| {
            let all = defaults.iter().cloned().chain(hsts.clone());
            all.map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
        };
        Self { of_pages: all(&DEFAULTS), of_data: all(&DEFAULTS_OF_DATA) }
    }

    fn of(&self, answer: &HeaderMap) -> &[(HeaderName, HeaderValue)] {
        let is_data =
            answer.get(header::CONTENT_TYPE).is_some_and(|kind| DATA.iter().any(|data| kind == data));
        if is_data { &self.of_data } else { &self.of_pages }
    }
}

/// Has an answer that may be of one person's kept by no cache, unless it says otherwise itself. Other headers are left as they are.
pub(crate) fn keep_private(response: &mut Response) {
    let headers = response.headers_mut();
    if headers.contains_key(header::SET_COOKIE) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(PRIVATE));
    } else {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static(PRIVATE));
    }
}

/// Adds to an answer what it does not set itself.
pub(crate) fn add_defaults(vestibule: &Vestibule, place: Place, response: &mut Response) {
    let defaults = vestibule.default_headers().of(response.headers());
    let headers = response.headers_mut();
    headers.reserve(defaults.len());
    for (name, value) in defaults {
        if let Entry::Vacant(place) = headers.entry(name) {
            place.insert(value.clone());
        }
    }
    if headers.contains_key(header::SET_COOKIE) {
        // Whatever a handler thought of its own data: a cookie is for one browser.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(PRIVATE));
    }
    if place.has_token {
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(OF_PAGES_WITH_TOKENS));
    }
}
