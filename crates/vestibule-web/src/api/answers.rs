//! What users and sessions look like from outside.

use std::net::IpAddr;

use ::vestibule::models::{Session, User};
use ::vestibule::services::LoggedIn;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, IntoResponseParts, Response};
use axum::{Extension, Json};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::guard::RequestOf;
use crate::headers::CLEAR_SITE_DATA;
use crate::moments;
use crate::problem::Problem;
use crate::vestibule::Vestibule;

/// A user with their session.
#[derive(Serialize, ToSchema)]
pub struct UserAndSession<'a> {
    user: UserBody<'a>,
    session: SessionBody<'a>,
}

/// A user by themselves.
#[derive(Serialize, ToSchema)]
pub struct UserOnly<'a> {
    user: UserBody<'a>,
}

/// A user, as another program may know them.
#[derive(Serialize, ToSchema)]
pub struct FoundUser<'a> {
    user: UserBody<'a>,
    /// Whether an admin has disabled them: they can do nothing, whatever their role.
    is_disabled: bool,
}

impl<'a> From<&'a User> for FoundUser<'a> {
    fn from(user: &'a User) -> Self {
        Self { user: UserBody::from(user), is_disabled: user.is_disabled }
    }
}

/// Where a user is logged in.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionList)]
pub struct Sessions<'a> {
    sessions: Vec<SessionBody<'a>>,
}

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserBody<'a> {
    #[schema(value_type = String, format = Uuid)]
    id: Uuid,
    email: &'a str,
    name: &'a str,
    is_email_verified: bool,
    /// `user` or `admin`; more may come.
    role: &'a str,
    #[serde(serialize_with = "moments::serialize")]
    created_at: OffsetDateTime,
}

/// A session, by its public id.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionBody<'a> {
    #[schema(value_type = String, format = Uuid)]
    id: Uuid,
    #[serde(serialize_with = "moments::serialize")]
    created_at: OffsetDateTime,
    #[serde(serialize_with = "moments::serialize")]
    last_seen_at: OffsetDateTime,
    #[serde(serialize_with = "moments::serialize")]
    expires_at: OffsetDateTime,
    #[schema(value_type = Option<String>, required)]
    ip: Option<IpAddr>,
    #[schema(required)]
    user_agent: Option<&'a str>,
    /// Whether it is the session that asks.
    current: bool,
}

impl<'a> UserAndSession<'a> {
    /// The user who asks, with the session in which they ask.
    pub fn current(user: &'a User, session: &'a Session) -> Self {
        Self { user: UserBody::from(user), session: SessionBody::new(session, true) }
    }
}

impl<'a> From<&'a User> for UserOnly<'a> {
    fn from(user: &'a User) -> Self {
        Self { user: UserBody::from(user) }
    }
}

impl<'a> Sessions<'a> {
    /// Some sessions, of which one is asking.
    pub fn new(sessions: &'a [Session], asking: &Session) -> Self {
        let body = |session: &'a Session| SessionBody::new(session, session.public_id == asking.public_id);
        Self { sessions: sessions.iter().map(body).collect() }
    }
}

impl<'a> From<&'a User> for UserBody<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id.as_uuid(),
            email: user.email.as_str(),
            name: user.name.as_str(),
            is_email_verified: user.is_email_verified,
            role: user.role.as_str(),
            created_at: user.created_at,
        }
    }
}

impl<'a> SessionBody<'a> {
    /// A session, and whether it is the one that asks.
    pub fn new(session: &'a Session, current: bool) -> Self {
        Self {
            id: session.public_id.as_uuid(),
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            ip: session.client.ip(),
            user_agent: session.client.user_agent(),
            current,
        }
    }
}

/// An answer has so many headers at most, but for cookies.
const MOST_HEADERS: usize = 12;

/// Answers with JSON that was written, now or earlier.
pub(super) fn told(written: serde_json::Result<Bytes>) -> Response {
    match written {
        Ok(written) => {
            // With room for what every answer has: else all of them are moved when that is added.
            let mut headers = HeaderMap::with_capacity(MOST_HEADERS);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let mut response = Response::new(Body::from(written));
            *response.headers_mut() = headers;
            response
        }
        Err(error) => Problem::internal(error).into_response(),
    }
}

/// Answers who was just logged in, with the three cookies.
pub(super) fn of_new_session(vestibule: &Vestibule, status: StatusCode, logged_in: &LoggedIn) -> Response {
    let cookies = vestibule.cookie_names().of_new_session(logged_in, vestibule.accounts().now());
    (status, set(cookies), of(logged_in), answer(logged_in)).into_response()
}

/// Answers who was just refreshed, with the two cookies that changed.
pub(super) fn of_refreshed_session(vestibule: &Vestibule, logged_in: &LoggedIn) -> Response {
    let cookies = vestibule.cookie_names().of_refreshed_session(logged_in, vestibule.accounts().now());
    (set(cookies), of(logged_in), answer(logged_in)).into_response()
}

fn answer(logged_in: &LoggedIn) -> Json<UserAndSession<'_>> {
    Json(UserAndSession::current(&logged_in.user, &logged_in.session))
}

/// For the log: whose request it was.
pub(crate) fn of(logged_in: &LoggedIn) -> Extension<RequestOf> {
    Extension(RequestOf(logged_in.user.id))
}

/// For who leaves: the cookies of the session are removed, and whoever sits down at the browser next finds nothing of
/// them with the "back" button.
pub(crate) fn farewell(vestibule: &Vestibule) -> impl IntoResponseParts + use<> {
    (AppendHeaders([CLEAR_SITE_DATA]), set(vestibule.cookie_names().cleared()))
}

/// The cookies of the session that a browser got for its old one; none where a program keeps what it has.
pub(crate) fn renewed(
    vestibule: &Vestibule,
    renewed: Option<LoggedIn>,
) -> AppendHeaders<impl IntoIterator<Item = (HeaderName, HeaderValue)> + use<>> {
    let now = vestibule.accounts().now();
    set(renewed.map(|renewed| vestibule.cookie_names().of_new_session(&renewed, now)).unwrap_or_default())
}

/// `Set-Cookie` for each.
pub(crate) fn set(
    cookies: Vec<HeaderValue>,
) -> AppendHeaders<impl IntoIterator<Item = (HeaderName, HeaderValue)>> {
    AppendHeaders(cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie)))
}
