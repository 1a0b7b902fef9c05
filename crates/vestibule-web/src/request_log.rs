use std::error::Error;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use askama::Template;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{Html, IntoResponse, Response};
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::arrival::Arrival;
use crate::client::ClientAddress;
use crate::cookies::add_unless_set;
use crate::guard::{CurrentUser, PageVisit, RequestOf};
use crate::observer::Answered;
use crate::problem::Problem;
use crate::request_id::{request_id, under};
use crate::routes::Face;
use crate::vestibule::Vestibule;

/// The codes of problems that tell of guessing: a wrong password, and whatever there was too much of.
const ATTEMPTS: [&str; 2] = [WRONG, TOO_MANY];
/// The codes of problems that tell of somebody who tries to get by: what came from another site, and what one may not do.
const REFUSALS: [&str; 2] = ["csrf_failed", "forbidden"];
const WRONG: &str = "invalid_credentials";
const TOO_MANY: &str = "too_many_requests";
const OVERLOADED: &str = "overloaded";
/// The codes of problems that are told after a moment to those who come too often.
const TURNED_AWAY: [&str; 2] = [TOO_MANY, OVERLOADED];
/// How long after the last of a request came some answers are given, at the earliest: that a password is wrong, that there was too
/// much of something, that the server is busy, and whatever says the same to those who have an account and to those who have none
/// (`SameForAll`).
///
/// Two reasons. The way there is a little longer where the account exists, by the reading of its row and what is written of it; and
/// where nothing is looked up, who sends the mails may be at work meanwhile. A hash takes some hundred times as long, which does
/// not hide it from somebody who asks often enough: it would tell who has an account. The moment hides it, as long as the work
/// takes less. And programs that ask again as soon as they are refused are kept waiting: a refusal costs so little that a few
/// hundred of them could else take all cores for refusals alone. At most 512 of each
/// kind wait so: a request that waits holds its connection.
pub const ANSWERS_ARE_HELD_FOR: Duration = Duration::from_millis(100);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where answers are for programs. Everything else is read by people.
const API_PREFIXES: [&str; 5] = ["/api/", "/.well-known/", "/healthz", "/readyz", "/dev/mailbox.json"];

/// Says of an answer that it is the same whether or not somebody has an account: its time must be the same too.
#[derive(Clone, Copy)]
pub(crate) struct SameForAll;

/// Says of an answer who reads it, where its address does not tell.
#[derive(Clone, Copy)]
pub(crate) struct ReadBy(pub Face);

/// Says of an answer within a layer of the application's that all is done that [`log_and_finish`] does.
#[derive(Clone, Copy)]
pub(crate) struct Finished;

/// Gives the request its id, which stands on every log line about it, writes one line when it
/// is answered, and finishes what problems ask for:
/// removes the cookies of a session that is over, and tells people in a page what programs are told in JSON.
pub(crate) async fn log_and_finish<F>(
    vestibule: &Vestibule,
    request: Request,
    inner: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let accounts = vestibule.accounts();
    let started = accounts.now();
    let (arrival, request) = Arrival::watch(request);
    // Within a layer of the application's it has one already, and the spans below.
    let known = request_id();
    let id = known.unwrap_or_else(|| vestibule.request_ids().next(started));
    let method = request.method().clone();
    let uri = request.uri().clone();
    let address = request.extensions().get::<ClientAddress>().and_then(|ClientAddress(address)| *address);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);

    // An id that the client claims is not taken: it would let strangers write in our log. What writes the log asks for the id of
    // the request (`request_id`): the span is for who looks closer, because one for each request takes as long as its line.
    let span = if known.is_some() { Span::none() } else { tracing::debug_span!("request", id = %id) };
    let traced = if known.is_some() { Span::none() } else { traced(id, &method, route) };
    let response = under(id, inner(request)).instrument(traced.clone()).instrument(span).await;
    traced.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        traced.record("otel.status_code", "ERROR");
    }
    drop(traced);
    if response.extensions().get::<Finished>().is_some() {
        return response;
    }

    let problem = response.extensions().get::<Problem>().cloned();
    let (route, took) = (route.unwrap_or("-"), accounts.now() - started);
    let mut letters = Uuid::encode_buffer();
    let id_in_letters: &str = id.hyphenated().encode_lower(&mut letters);
    Line { id: id_in_letters, method: &method, route, response: &response }.write(took, problem.as_ref());
    if let Some(observer) = vestibule.observer() {
        let (status, problem) = (response.status(), problem.as_ref().map(|problem| problem.code));
        observer.answered(&Answered { method: &method, route, status, problem, took });
    }
    if let Some(problem) = problem.as_ref().filter(|problem| ATTEMPTS.contains(&problem.code)) {
        tell_attempt(id, problem.code, address);
    }
    // Whoever only has to give their password once more tries nothing.
    if let Some(problem) =
        problem.as_ref().filter(|problem| REFUSALS.contains(&problem.code) && problem.way_out.is_none())
    {
        tell_refusal(id, problem.code, address);
    }

    // After the lines above: who hangs up now is in the log all the same.
    // What is cheap to provoke must not take the places of what must not tell who has an account.
    let places = match problem.as_ref().map(|problem| problem.code) {
        Some(code) if TURNED_AWAY.contains(&code) => Some(vestibule.pauses()),
        Some(WRONG) => Some(vestibule.pauses_of_the_same()),
        Some(_) => None,
        None => response.extensions().get::<SameForAll>().map(|_| vestibule.pauses_of_the_same()),
    };
    if let Some(Ok(_paused)) = places.map(tokio::sync::Semaphore::try_acquire) {
        tokio::time::sleep_until(arrival.at() + vestibule.answers_are_held_for()).await;
    }

    let mut response = match problem {
        Some(problem) => finish(vestibule, uri.path(), id_in_letters, &problem, response),
        None => response,
    };
    let id = HeaderValue::from_str(id_in_letters).expect("a UUID is visible ASCII");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The span of a request for a collector of traces, where there is one: its names are those of OpenTelemetry's conventions.
fn traced(id: Uuid, method: &Method, route: Option<&str>) -> Span {
    tracing::debug_span!(
        target: "vestibule_trace",
        "request",
        otel.name = format_args!("{method} {}", route.unwrap_or("-")),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method.as_str(),
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        request.id = %id,
    )
}

/// The line that fail2ban reads (`deploy/fail2ban/filter.d/vestibule.conf`): its words do not change within a major
/// version. Nothing in it is a client's own text, so nobody can have somebody else banned (log injection).
fn tell_attempt(request_id: Uuid, code: &'static str, address: Option<IpAddr>) {
    let address = in_words(address);
    tracing::warn!(%request_id, "refused attempt: {code} from {address}");
}

/// For people who read the log, and not for fail2ban: another site can make the browser of somebody who means no harm send what
/// is refused here, and would have them banned.
fn tell_refusal(request_id: Uuid, code: &'static str, address: Option<IpAddr>) {
    let address = in_words(address);
    tracing::warn!(%request_id, "refused request: {code} from {address}");
}

fn in_words(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string())
}

struct Line<'a> {
    id: &'a str,
    method: &'a Method,
    route: &'a str,
    response: &'a Response,
}

impl Line<'_> {
    /// One line a request: what was asked by its route and not by its address, which may hold a token.
    fn write(&self, duration: time::Duration, problem: Option<&Problem>) {
        let status = self.response.status().as_u16();
        let extensions = self.response.extensions();
        let user = extensions.get::<CurrentUser>().map(|current| current.user().id);
        let user = user.or_else(|| extensions.get::<RequestOf>().map(|of| of.0));
        let mut letters = Uuid::encode_buffer();
        let user = user.map_or("-", |id| id.as_uuid().hyphenated().encode_lower(&mut letters));
        let duration_ms = (duration.as_seconds_f64() * 1_000_000.0).round() / 1000.0;
        let (method, route, request_id) = (self.method.as_str(), self.route, self.id);
        let code = problem.map_or("-", |problem| problem.code);
        if let Some(cause) = problem.and_then(|problem| problem.cause.as_deref()) {
            let cause = chain(cause);
            tracing::error!(%request_id, method, route, status, duration_ms, user.id = user, code, cause, "request failed");
        } else {
            tracing::info!(%request_id, method, route, status, duration_ms, user.id = user, code, "request");
        }
    }
}

/// An error with all its causes, outermost first.
fn chain(error: &(dyn Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn finish(vestibule: &Vestibule, path: &str, id: &str, problem: &Problem, response: Response) -> Response {
    let is_page_made =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind != "application/problem+json")
            || response.status().is_redirection();
    let is_for_programs = match response.extensions().get::<ReadBy>() {
        Some(ReadBy(face)) => *face == Face::Api,
        None => API_PREFIXES.iter().any(|prefix| path.starts_with(prefix)),
    };
    let mut response = if is_page_made || is_for_programs {
        response
    } else {
        error_page(vestibule, path, id, problem, &response)
    };
    if problem.is_session_over {
        add_unless_set(response.headers_mut(), vestibule.cookie_names().cleared());
    }
    response
}

/// What is shown when something cannot be done and no form can tell it.
pub struct ErrorPage<'a> {
    /// The HTTP status.
    pub status: u16,
    /// What is the matter, in a few words.
    pub title: &'a str,
    /// What is the matter, in a sentence.
    pub message: &'a str,
    /// What to name when asking about it. Only where somebody may have to look it up in the log.
    pub request_id: Option<&'a str>,
}

/// The same without any layout, for where that is what failed.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{ page.title }}</title></head>
<body><main><h1>{{ page.title }}</h1><p>{{ page.message }}</p>
{%- if let Some(id) = page.request_id %}<p>{{ id }}</p>{% endif %}<p><a href="/">Home</a></p></main></body></html>
"#
)]
struct PlainErrorPage<'a> {
    page: &'a ErrorPage<'a>,
}

fn error_page(vestibule: &Vestibule, path: &str, id: &str, problem: &Problem, told: &Response) -> Response {
    let content = ErrorPage {
        status: problem.status.as_u16(),
        title: problem.heading(),
        message: &problem.detail,
        request_id: problem.cause.is_some().then_some(id),
    };
    let visit = PageVisit::left_on(told.extensions(), path);
    // Outside of the layer that catches panics, and the layout may be what is broken: then the page is told without it.
    let drawn = catch_unwind(AssertUnwindSafe(|| vestibule.rendered(&visit, problem.heading(), &content)));
    let failed = match drawn {
        Ok(Ok(html)) => Ok(html),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the layout panicked".to_owned()),
    };
    let html = failed.or_else(|cause| {
        tracing::error!(request_id = %id, cause, "the page that tells an error could not be drawn");
        PlainErrorPage { page: &content }.render()
    });
    let mut page = match html {
        Ok(html) => (problem.status, Html(html)).into_response(),
        Err(_) => (problem.status, problem.heading().to_owned()).into_response(),
    };
    // What was told besides the body stays: `Retry-After`, cookies.
    for (name, value) in told.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            page.headers_mut().append(name, value.clone());
        }
    }
    page
}
