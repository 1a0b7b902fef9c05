//! The check that stands before every route. [`Who`] says who may pass, the guard asks the service, and what it
//! found travels with the request as [`CurrentUser`] or [`PageVisit`], which nothing else can make: a handler
//! that asks for one and stands behind no guard refuses, whatever headers a client sends.

use std::sync::Arc;

use ::vestibule::models::{CsrfProof, CsrfToken, Role, ServiceScope, Session, User, UserId};
use ::vestibule::services::{
    Asked, CheckError, CurrentSession, PresentedSession, ServiceKeyRefused, ShownBy, Told,
};
use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts, OriginalUri, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use time::OffsetDateTime;

use crate::body;
use crate::client::{ClientAddress, ClientOf};
use crate::cookies::{CookieValues, add_unless_set, has_duplicates};
use crate::entrance::Inner;
use crate::next::Next;
use crate::pages::DEFAULT_NEXT;
use crate::problem::{Problem, WayOut};
use crate::vestibule::Vestibule;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
const CSRF_FIELD: &str = "csrf_token";
const CONFIRMATION_PAGE: &str = "/confirm-email/resend";
const PASSWORD_PAGE: &str = "/confirm-password";
const REFRESH_PAGE: &str = "/refresh";

/// Who may call a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Everybody. The route changes nothing, or has a check of its own.
    Anyone,
    /// Everybody, from a page of this site: for what changes something before there is a session.
    Stranger,
    /// The same, told apart from who is logged in: for what somebody may do with a session or with a password. Because
    /// the request is known to come from this site, their session is taken without a CSRF token.
    Visitor,
    /// Who is logged in, whether or not their address is confirmed: for what they do with the account itself.
    AccountHolder,
    /// Who is logged in and, where the owner of the site wants that, has confirmed their address.
    LoggedIn,
    /// The same, and they have the role.
    Role(Role),
    /// The same, and they have given their password within the last ten minutes: for what a copied cookie or an open
    /// computer must not be enough for.
    Recently(Role),
    /// A program with a service key for this. Neither a cookie nor a user's access token opens it.
    Service(ServiceScope),
}

impl Who {
    fn asked(&self) -> Option<Asked> {
        match self {
            Self::Anyone | Self::Stranger | Self::Visitor | Self::Service(_) => None,
            Self::AccountHolder => Some(Asked::ACCOUNT),
            Self::LoggedIn => Some(Asked::role(Role::User)),
            Self::Role(role) => Some(Asked::role(role.clone())),
            Self::Recently(role) => Some(Asked::recently(role.clone())),
        }
    }

    /// Whether what another site sends is refused by its origin, for want of a session with a CSRF token.
    fn must_come_from_this_site(&self) -> bool {
        matches!(self, Self::Stranger | Self::Visitor)
    }
}

/// Who is logged in. Only a passed check makes one.
#[derive(Debug, Clone)]
pub struct CurrentUser(Arc<CurrentSession>);

impl CurrentUser {
    /// The user.
    pub fn user(&self) -> &User {
        &self.0.user
    }

    /// Their session.
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// What the services ask for.
    pub fn current(&self) -> &CurrentSession {
        &self.0
    }
}

/// A visit to a page: of somebody who is logged in, or of a stranger.
#[derive(Debug, Clone)]
pub struct PageVisit {
    current: Option<CurrentUser>,
    path: String,
    form_on: Option<String>,
}

impl PageVisit {
    /// The visit that a guard left, or else one of whom it let pass: of nobody, where there is no guard.
    pub(crate) fn left_on(extensions: &Extensions, path: &str) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_else(|| {
            let current = extensions.get::<CurrentUser>().cloned();
            Self { current, path: path.to_owned(), form_on: None }
        })
    }

    /// The visit that a request makes.
    fn of(request: &Request, current: Option<CurrentUser>) -> Self {
        let form_on = (!request.method().is_safe()).then(|| {
            let page = page_of_the_form(request.headers());
            page.path().unwrap_or_default().split('?').next().unwrap_or_default().to_owned()
        });
        Self { current, path: address_of(request).path().to_owned(), form_on }
    }

    /// The same visit, of a page with forms whose own path is known.
    pub(crate) fn of_form_on(&self, path: &str) -> Self {
        Self { form_on: Some(path.to_owned()), ..self.clone() }
    }

    /// Who visits, where they are logged in.
    pub fn current_user(&self) -> Option<&CurrentUser> {
        self.current.as_ref()
    }

    /// The path of the page, for the menu.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Of an answer to a form: the path of the page that the form was on, or nothing where that is not known. There a GET
    /// shows the page again; the path that the form was sent to may have none.
    pub fn form_on(&self) -> Option<&str> {
        self.form_on.as_deref()
    }

    /// The token for the forms of this page. Empty for strangers, whose forms need none.
    pub fn csrf_token(&self) -> &str {
        self.current.as_ref().map_or("", |current| current.session().csrf_token.as_str())
    }
}

/// Left on an answer for the log: whose request it was who became somebody by it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestOf(pub UserId);

/// What a guard knows: the house, and who may pass.
pub(crate) struct Guard {
    pub vestibule: Vestibule,
    pub who: Who,
}

/// Stands before a route of the API.
pub(crate) async fn guard_api(guard: &Guard, request: Request, inner: Inner) -> Response {
    if guard.who.must_come_from_this_site()
        && let Err(problem) = check_from_this_site(&guard.vestibule, request.method(), request.headers())
    {
        return problem.into_response();
    }
    if guard.who != Who::Anyone
        && let Err(problem) = check_web_socket(&guard.vestibule, request.headers())
    {
        return problem.into_response();
    }
    if let Who::Service(scope) = guard.who {
        return Box::pin(guard_service(&guard.vestibule, scope, request, inner)).await;
    }
    let Some(asked) = guard.who.asked() else {
        if guard.who != Who::Visitor {
            return inner.run(request).await;
        }
        return match check_api(&guard.vestibule, request.headers(), Asked::ACCOUNT, CsrfProof::NotNeeded)
            .await
        {
            Ok(current) => run_as(CurrentUser(Arc::new(current)), Vec::new(), request, inner).await,
            Err(problem) if problem.status.is_server_error() => problem.into_response(),
            Err(_) => inner.run(request).await,
        };
    };
    let proof = proof(request.method(), || header_token(request.headers()));
    match check_api(&guard.vestibule, request.headers(), asked, proof).await {
        Ok(current) => {
            let set = missing_csrf_cookie(&guard.vestibule, &current);
            run_as(CurrentUser(Arc::new(current)), set, request, inner).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Lets a program in that shows a service key in the header. Cookies are not looked at. What it may ask for is told as RFC 6750
/// has it, section 3.
async fn guard_service(
    vestibule: &Vestibule,
    scope: ServiceScope,
    request: Request,
    inner: Inner,
) -> Response {
    let checked = match bearer(request.headers()) {
        Bearer::Token(key) => vestibule.accounts().check_service_key(key, scope).await,
        Bearer::Malformed | Bearer::None => Err(ServiceKeyRefused::Unknown),
    };
    let (problem, challenge) = match checked {
        Ok(_) => return inner.run(request).await,
        Err(error @ ServiceKeyRefused::Unknown) => (Problem::from(error), "Bearer".to_owned()),
        Err(error @ ServiceKeyRefused::Forbidden(_)) => {
            (error.into(), format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""))
        }
        Err(error @ ServiceKeyRefused::Store(_)) => return Problem::from(error).into_response(),
    };
    let challenge = HeaderValue::try_from(challenge).expect("scopes are visible ASCII");
    ([(header::WWW_AUTHENTICATE, challenge)], problem).into_response()
}

/// Who asks, by the token in the header or, without one, by the cookies.
pub(crate) async fn check_api(
    vestibule: &Vestibule,
    headers: &HeaderMap,
    asked: Asked,
    proof: CsrfProof<'_>,
) -> Result<CurrentSession, Problem> {
    let accounts = vestibule.accounts();
    match bearer(headers) {
        Bearer::Token(token) => {
            let checked = accounts.check_bearer(token, asked).await;
            checked.map_err(|error| leaving_cookies(error.into()))
        }
        Bearer::Malformed => Err(Problem::unauthenticated()),
        Bearer::None => {
            let cookies = CookieValues::read(headers, vestibule.cookie_names());
            let presented = cookies.presented(proof);
            accounts.check_session(&presented, asked).await.map_err(|error| match error {
                // There is an authentic refresh cookie among them: a refresh finds it.
                CheckError::AccessTokenExpired => error.into(),
                error => clearing_duplicates(&presented, error.into()),
            })
        }
    }
}

/// Stands before a page. Where only the access token is over, the session is refreshed within the same request,
/// so that a form posted after a long pause is not lost.
pub(crate) async fn guard_page(guard: &Guard, request: Request, inner: Inner) -> Response {
    if guard.who.must_come_from_this_site()
        && let Err(problem) = check_from_this_site(&guard.vestibule, request.method(), request.headers())
    {
        return problem.into_response();
    }
    if guard.who != Who::Anyone
        && let Err(problem) = check_web_socket(&guard.vestibule, request.headers())
    {
        return problem.into_response();
    }
    if let Who::Service(scope) = guard.who {
        return guard_service(&guard.vestibule, scope, request, inner).await;
    }
    let received_at = guard.vestibule.accounts().now();
    let (parts, body) = request.into_parts();
    let (body, form_token) = match guard.who.asked() {
        Some(_) if !parts.method.is_safe() => match read_form_token(body).await {
            Ok(read) => read,
            Err(problem) => return problem.into_response(),
        },
        _ => (body, None),
    };
    let visited = visit(guard, &parts, form_token.as_deref(), received_at).await;
    let mut request = Request::from_parts(parts, body);
    match visited {
        Ok((Some(current), set)) => visit_as(CurrentUser(Arc::new(current)), set, request, inner).await,
        Ok((None, _)) => {
            let visit = PageVisit::of(&request, None);
            request.extensions_mut().insert(visit);
            inner.run(request).await
        }
        Err(problem) => refuse_page(&request, problem),
    }
}

/// Stands before the page that says that there is none at this address. Its menu is of who asks, where a person looks at
/// it: nobody's session is read for a picture that is missing.
pub(crate) async fn guard_nowhere(guard: &Guard, request: Request, inner: Inner) -> Response {
    if accepts_page(request.headers()) && request.method().is_safe() {
        guard_page(guard, request, inner).await
    } else {
        inner.run(request).await
    }
}

/// Whether a page would be looked at.
pub(crate) fn accepts_page(headers: &HeaderMap) -> bool {
    let kinds = headers.get(header::ACCEPT).and_then(|kinds| kinds.to_str().ok());
    kinds.is_some_and(|kinds| kinds.contains("text/html"))
}

/// Who visits a page, and the cookies that this changes. On pages for everybody a failed check makes a stranger.
async fn visit(
    guard: &Guard,
    request: &Parts,
    form_token: Option<&str>,
    received_at: OffsetDateTime,
) -> Result<(Option<CurrentSession>, Vec<HeaderValue>), Problem> {
    let vestibule = &guard.vestibule;
    let cookies = CookieValues::read(&request.headers, vestibule.cookie_names());
    let Some(asked) = guard.who.asked() else {
        // A stranger's form carries no token, and the visit is only told in the menu, where the page does not say that
        // it matters.
        let matters = guard.who == Who::Visitor;
        let is_foreign = check_web_socket(vestibule, &request.headers).is_err();
        if cookies.is_empty() || is_foreign || !(request.method.is_safe() || matters) {
            return Ok((None, Vec::new()));
        }
        let presented = cookies.presented(CsrfProof::NotNeeded);
        return match check_or_refresh(vestibule, request, &presented, Asked::ACCOUNT).await {
            Ok((current, set)) => Ok((Some(current), set)),
            Err(problem) if problem.status.is_server_error() && matters => Err(problem),
            Err(problem) => {
                if let Some(cause) = &problem.cause {
                    tracing::warn!(%cause, "a page is shown as to a stranger, because the session could not be read");
                }
                Ok((None, Vec::new()))
            }
        };
    };
    let presented = PresentedSession {
        received_at: Some(received_at),
        ..cookies.presented(proof(&request.method, || form_token))
    };
    check_or_refresh(vestibule, request, &presented, asked)
        .await
        .map(|(current, set)| (Some(current), set))
        .map_err(|problem| clearing_duplicates(&presented, problem))
}

pub(crate) async fn check_or_refresh(
    vestibule: &Vestibule,
    request: &Parts,
    presented: &PresentedSession<'_>,
    asked: Asked,
) -> Result<(CurrentSession, Vec<HeaderValue>), Problem> {
    let accounts = vestibule.accounts();
    match accounts.check_session(presented, asked.clone()).await {
        Ok(current) => {
            let set = missing_csrf_cookie(vestibule, &current);
            Ok((current, set))
        }
        Err(CheckError::AccessTokenExpired) => {
            let client = ClientOf::read(&request.extensions, &request.headers);
            let refreshed = accounts.refresh(presented, &client.0).await?;
            accounts.check_allowed(&refreshed.user, &refreshed.session, &asked)?;
            let names = vestibule.cookie_names();
            let mut set = names.of_refreshed_session(&refreshed, accounts.now());
            // All three, so that they are of one session whatever another tab's log-in sets meanwhile.
            set.push(names.csrf_cookie(&refreshed.tokens.csrf));
            let is_csrf_cookie_missing = presented.csrf_cookies.is_empty();
            let current = CurrentSession {
                user: Arc::new(refreshed.user),
                session: Arc::new(refreshed.session),
                is_csrf_cookie_missing,
                shown_by: ShownBy::Cookies,
                devices: presented.devices.iter().map(|&device| device.to_owned()).collect(),
                told: Told::default(),
            };
            Ok((current, set))
        }
        Err(error) => Err(error.into()),
    }
}

/// Runs a request as somebody, and leaves on the answer whose it was and the cookies to set.
fn run_as(
    current: CurrentUser,
    set: Vec<HeaderValue>,
    mut request: Request,
    inner: Inner,
) -> impl Future<Output = Response> {
    request.extensions_mut().insert(current.clone());
    let answer = inner.run(request);
    async move {
        let mut response = answer.await;
        // For the log, and for the page that tells an error in the site's layout.
        response.extensions_mut().insert(current);
        add_unless_set(response.headers_mut(), set);
        response
    }
}

/// The same for a page.
async fn visit_as(
    current: CurrentUser,
    set: Vec<HeaderValue>,
    mut request: Request,
    inner: Inner,
) -> Response {
    let visit = PageVisit::of(&request, Some(current.clone()));
    request.extensions_mut().insert(visit.clone());
    let mut response = run_as(current, set, request, inner).await;
    response.extensions_mut().insert(visit);
    response
}

/// Before there is a session, a request that changes something must come from a page of this site. Browsers say
/// so themselves (Fetch Metadata, and `Origin` from those that do not send it), so there is no token that could
/// go stale. Programs that are no browsers send neither and have no cookies that a stranger could ride on.
fn check_from_this_site(vestibule: &Vestibule, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if method.is_safe() {
        return Ok(());
    }
    let site = headers.get(SITE).map(HeaderValue::as_bytes);
    let is_foreign = match site {
        Some(site) => matches!(site, b"cross-site" | b"same-site"),
        None => headers
            .get(header::ORIGIN)
            .is_some_and(|origin| origin.as_bytes() != vestibule.origin().as_bytes()),
    };
    if is_foreign { Err(Problem::csrf_failed()) } else { Ok(()) }
}

/// A WebSocket is opened by a GET, and what is said over it changes things. Browsers let every page open one to any place and send the
/// cookies along (cross-site WebSocket hijacking), so one with cookies must come from a page of this site.
fn check_web_socket(vestibule: &Vestibule, headers: &HeaderMap) -> Result<(), Problem> {
    let is_foreign = opens_web_socket(headers)
        && matches!(bearer(headers), Bearer::None)
        && !comes_from_this_site(vestibule, headers);
    if is_foreign { Err(Problem::csrf_failed()) } else { Ok(()) }
}

/// A handshake is a GET, and what is said afterwards may be anything: browsers let every site open one (RFC 6455, section 10.2).
pub(crate) fn opens_web_socket(headers: &HeaderMap) -> bool {
    headers.contains_key(header::SEC_WEBSOCKET_KEY)
        || headers.get_all(MODE).iter().any(|mode| mode == "websocket")
}

/// Whether a browser says that a page of this very site sends the request. The application's forms cannot have our CSRF token.
/// What says nothing of it is not believed: of cookies alone one cannot tell who made the browser send them.
pub(crate) fn comes_from_this_site(vestibule: &Vestibule, headers: &HeaderMap) -> bool {
    let is_one = |name: &HeaderName, expected: &[u8]| {
        let mut lines = headers.get_all(name).iter();
        lines.next().is_some_and(|line| line.as_bytes() == expected) && lines.next().is_none()
    };
    if headers.contains_key(SITE) {
        is_one(&SITE, b"same-origin")
    } else {
        is_one(&header::ORIGIN, vestibule.origin().as_bytes())
    }
}

pub(crate) enum Bearer<'a> {
    Token(&'a str),
    Malformed,
    None,
}

/// The access token of a program that is no browser. Other schemes are not ours: they may be those of a proxy.
pub(crate) fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Bearer::None;
    };
    let Ok(text) = value.to_str() else {
        return Bearer::Malformed;
    };
    match (text.split_once(' '), values.next()) {
        (_, Some(_)) => Bearer::Malformed,
        (Some((scheme, token)), None) if scheme.eq_ignore_ascii_case("bearer") => Bearer::Token(token.trim()),
        (None, None) if text.eq_ignore_ascii_case("bearer") => Bearer::Malformed,
        _ => Bearer::None,
    }
}

fn proof<'a>(method: &Method, sent: impl FnOnce() -> Option<&'a str>) -> CsrfProof<'a> {
    if method.is_safe() { CsrfProof::NotNeeded } else { CsrfProof::Sent(sent()) }
}

/// The CSRF token of a request of the API.
pub(crate) fn header_token(headers: &HeaderMap) -> Option<&str> {
    headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok())
}

/// Reads the body for its CSRF token and gives both back.
async fn read_form_token(body: Body) -> Result<(Body, Option<String>), Problem> {
    let bytes = body::read_form(body).await?;
    let token = url::form_urlencoded::parse(&bytes)
        .find(|(field, _)| field == CSRF_FIELD)
        .map(|(_, token)| token.into_owned());
    Ok((Body::from(bytes), token))
}

fn missing_csrf_cookie(vestibule: &Vestibule, current: &CurrentSession) -> Vec<HeaderValue> {
    let token: &CsrfToken = &current.session.csrf_token;
    if current.is_csrf_cookie_missing {
        vec![vestibule.cookie_names().csrf_cookie(token)]
    } else {
        Vec::new()
    }
}

/// Whatever became of the session of a token in a header, that of the cookies beside it may be another.
fn leaving_cookies(problem: Problem) -> Problem {
    Problem { is_session_over: false, ..problem }
}

/// Where none of several cookies of a name fits, all are removed: otherwise the person could not get out.
pub(crate) fn clearing_duplicates(presented: &PresentedSession<'_>, mut problem: Problem) -> Problem {
    let is_refused_session = problem.status == axum::http::StatusCode::UNAUTHORIZED;
    problem.is_session_over |= is_refused_session && has_duplicates(presented);
    problem
}

/// Sends people to the page on which they can do what is missing: log in, confirm their address, give their password once
/// more. Tells everything else as it is.
fn refuse_page(request: &Request, problem: Problem) -> Response {
    let next = || {
        if request.method().is_safe() {
            address_of(request).path_and_query().map(|path| Next::parse(path.as_str())).unwrap_or_default()
        } else {
            page_of_the_form(request.headers())
        }
    };
    let Some(page) = page_for(&problem, request.method(), next) else {
        return problem.into_response();
    };
    let mut response = Redirect::to(&page).into_response();
    // The problem's own answer is not told, but its cookies are to be cleared.
    response.extensions_mut().insert(problem);
    response
}

/// The address that was asked for. Within a router that an application has nested, the rest of it is all that a request shows.
fn address_of(request: &Request) -> &Uri {
    request.extensions().get::<OriginalUri>().map_or_else(|| request.uri(), |OriginalUri(address)| address)
}

/// The page on which somebody can do what is missing, and from which they come back to `next`.
pub(crate) fn page_for(problem: &Problem, method: &Method, next: impl FnOnce() -> Next) -> Option<String> {
    Some(match problem.way_out {
        Some(WayOut::ConfirmEmail) => CONFIRMATION_PAGE.to_owned(),
        Some(WayOut::ConfirmPassword) if method.is_safe() => next().link(PASSWORD_PAGE),
        // The password lets them come back, and not what was posted: it may be another thing than they remember.
        Some(WayOut::ConfirmPassword) => {
            Next::parse(next().or(DEFAULT_NEXT)).saying_not_yet().link(PASSWORD_PAGE)
        }
        Some(WayOut::Refresh) => next().link(REFRESH_PAGE),
        None if problem.status == axum::http::StatusCode::UNAUTHORIZED => next().link("/log-in"),
        None => return None,
    })
}

/// The page that a form was on: the address it was posted to may have no page of its own. Without what the page said was
/// done before.
pub(crate) fn page_of_the_form(headers: &HeaderMap) -> Next {
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let path = referer.and_then(|referer| url::Url::parse(referer).ok()).map(|url| match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    });
    path.map(|path| Next::parse(&path).without_done()).unwrap_or_default()
}

/// Who wrote a route and forgot its guard is told by the log: everybody is a stranger there.
fn tell_missing_guard(parts: &Parts) {
    // Every entrance notes the address.
    if parts.extensions.get::<ClientAddress>().is_none() {
        tracing::error!(
            path = parts.uri.path(),
            "a handler asks who is logged in, and nothing before it found out: put `.route_layer(vestibule.require_log_in())`, \
             `require_role` or `optional_user` after its route"
        );
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CurrentUser {
    type Rejection = Problem;

    /// Refuses where no guard let the request pass. That happens only if a route was built without one, or if it is open to strangers.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        tell_missing_guard(parts);
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for CurrentUser {
    type Rejection = std::convert::Infallible;

    /// For routes of [`Who::Visitor`].
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        tell_missing_guard(parts);
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PageVisit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        tell_missing_guard(parts);
        Ok(Self::left_on(&parts.extensions, parts.uri.path()))
    }
}
