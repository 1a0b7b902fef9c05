//! What is answered over plain http where the site is on https: the way there, and the challenges of certificate
//! authorities.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use vestibule::models::PublicUrl;
use vestibule::ports::{Clock, OsRandom, Random, SystemClock};

use crate::certificates::challenges::Challenges;

/// Where certificate authorities ask (RFC 8555, 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";
/// Tokens are some 43 characters long.
const MAX_TOKEN: usize = 256;
/// Answers are some 90.
const MAX_ANSWER: u64 = 4096;

/// Who knows the answers to challenges.
#[derive(Clone)]
pub(crate) enum Answers {
    /// Nobody.
    Nobody,
    /// Another program, which puts them into a folder below `.well-known/acme-challenge`.
    Webroot(PathBuf),
    /// The servers of this installation, which order certificates themselves.
    Own(Challenges),
}

/// The router of the address for plain http.
pub(crate) fn router(public_url: PublicUrl, answers: Answers) -> Router {
    Router::new().fallback(answer).with_state(Arc::new((public_url, answers)))
}

async fn answer(State(state): State<Arc<(PublicUrl, Answers)>>, request: Request) -> Response {
    let (public_url, answers) = &*state;
    let mut response = decide(public_url, answers, request).await;
    let id = (&OsRandom as &dyn Random).uuid_v7(SystemClock.now()).to_string();
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert("x-request-id", id);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

async fn decide(public_url: &PublicUrl, answers: &Answers, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], refusal(public_url))
            .into_response();
    }
    if let Some(token) = request.uri().path().strip_prefix(CHALLENGES) {
        return answer_challenge(answers, token).await;
    }
    // A program that follows redirects would send its token in the clear every time, and nobody would notice.
    let path = request.uri().path();
    let is_program = path == "/api" || path.starts_with("/api/");
    if is_program || request.headers().contains_key(header::AUTHORIZATION) {
        return (StatusCode::FORBIDDEN, refusal(public_url)).into_response();
    }
    redirect(public_url, request.uri())
}

/// The same path on https. Where to comes from the public URL alone: the `Host` header is the sender's to choose.
fn redirect(public_url: &PublicUrl, uri: &Uri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    let Ok(location) = HeaderValue::try_from(public_url.link(path)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response()
}

/// What was sent is not sent again over https by us: who sends a password in the clear should learn of it.
fn refusal(public_url: &PublicUrl) -> String {
    format!("Nothing is taken over plain http: this site is at {public_url}\n")
}

async fn answer_challenge(answers: &Answers, token: &str) -> Response {
    let answer = match answers {
        _ if !is_token(token) => None,
        Answers::Nobody => None,
        Answers::Webroot(folder) => from_webroot(folder, token).await,
        Answers::Own(challenges) => challenges.key_authorization(token).await.map(String::into_bytes),
    };
    match answer {
        Some(answer) => ([(header::CONTENT_TYPE, "application/octet-stream")], answer).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such challenge\n").into_response(),
    }
}

/// Letters, digits, `-` and `_` (RFC 8555, 8.1): no other path than one within the folder.
fn is_token(token: &str) -> bool {
    (1..=MAX_TOKEN).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

async fn from_webroot(folder: &Path, token: &str) -> Option<Vec<u8>> {
    let path = folder.join(CHALLENGES.trim_start_matches('/')).join(token);
    let read = move || {
        let about = std::fs::metadata(&path).ok()?;
        (about.is_file() && about.len() <= MAX_ANSWER).then(|| std::fs::read(&path).ok())?
    };
    tokio::task::spawn_blocking(read).await.ok()?
}
