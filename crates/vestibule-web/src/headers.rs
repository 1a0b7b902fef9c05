use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next as Inner;
use axum::response::Response;

const PRIVATE: &str = "private, no-store";

/// Headers of every answer that does not set them itself.
///
/// `Cache-Control`: an answer with a session's cookies or data that a shared cache kept would be handed to others.
/// `Content-Security-Policy`: nothing is loaded from elsewhere, and no script or style stands within a page.
/// `Referrer-Policy`: addresses of our pages are not told to other sites, and those of links from mails, which hold a
/// token, to nobody.
const DEFAULTS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, PRIVATE),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
];

/// The pages that links from mails lead to.
const PAGES_WITH_TOKENS: [&str; 4] =
    ["/confirm-email", "/confirm-sign-up", "/confirm-sign-up/decline", "/reset-password"];
/// An invitation leads to a page that is there without one too.
const INVITED: (&str, &str) = ("/sign-up", "invite=");

pub(crate) async fn add_defaults(request: Request, inner: Inner) -> Response {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let is_invited = path == INVITED.0 && query.contains(INVITED.1);
    let has_token = is_invited || PAGES_WITH_TOKENS.contains(&path);
    let mut response = inner.run(request).await;
    if response.headers().contains_key(header::SET_COOKIE) {
        // Whatever a handler thought of its own data: a cookie is for one browser.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(PRIVATE));
    }
    if has_token {
        response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    for (name, value) in DEFAULTS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
