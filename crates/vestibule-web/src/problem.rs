//! Why something was not done: what is told of it here, and in `tables.rs` what is told of each flow's errors.

use std::error::Error;
use std::sync::Arc;

use ::vestibule::models::{InvalidField, InvalidInput, Quota};
use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

mod tables;

/// A page on which somebody can do what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WayOut {
    /// Where one reads that the address is to be confirmed, and can have the mail sent once more.
    ConfirmEmail,
    /// Where one gives one's password once more, and then goes on.
    ConfirmPassword,
    /// Where the session is renewed without anybody noticing.
    Refresh,
}

/// Why something was not done, as told to who asked: to programs as RFC 9457 `application/problem+json`, to people
/// as a page with the same words.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
    /// What is wrong with each field.
    pub errors: Vec<InvalidField>,
    /// Seconds after which to try again.
    pub retry_after: Option<u64>,
    /// The quota that is used up. Rarely there, so not worth its room in every answer.
    pub quota: Option<Box<Quota>>,
    /// The session is certainly over, so its cookies are removed.
    pub is_session_over: bool,
    /// The page on which somebody can do what is missing: browsers are sent there.
    pub(crate) way_out: Option<WayOut>,
    /// What went wrong inside. It is logged and never told.
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What went wrong, as programs are told it (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    /// A sentence for people.
    detail: &'a str,
    /// A word for programs, which stays the same; new ones may come: `invalid_input`, `invalid_credentials`, `unauthenticated`,
    /// `session_expired`, `session_revoked`, `refresh_reused`, `csrf_failed`, `forbidden`, `not_found`, `conflict`, `email_taken`,
    /// `email_not_verified`, `token_invalid`, `too_many_requests`, `payload_too_large`, `unsupported_media_type`,
    /// `method_not_allowed`, `overloaded`, `internal`.
    code: &'static str,
    /// What is wrong with each field, for `invalid_input`, `invalid_credentials` and `email_taken`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldBody<'a>>,
}

/// What is wrong with a field.
#[derive(Serialize, ToSchema)]
#[schema(as = InvalidField)]
pub struct FieldBody<'a> {
    field: &'static str,
    code: &'static str,
    message: &'a str,
}

impl Problem {
    /// A problem with a status, a word for programs and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            quota: None,
            is_session_over: false,
            way_out: None,
            cause: None,
        }
    }

    /// Nothing is there, or nothing that this person may see.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.")
    }

    /// The address is right and the method is not.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This address does not take this method.",
        )
    }

    /// Nobody is logged in.
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Log in to go on.")
    }

    /// The request did not come from a page of ours.
    pub fn csrf_failed() -> Self {
        let detail = "This request did not come from a current page of this site. Go back, reload the page and try again.";
        Self::new(StatusCode::FORBIDDEN, "csrf_failed", detail)
    }

    /// Logged in, and not allowed.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Your account may not do that.")
    }

    /// Over 64 KiB.
    pub fn payload_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The request is larger than 64 KiB.")
    }

    /// A body that comes so slowly that it is not waited for.
    pub(crate) fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "invalid_input",
            "The request came too slowly. Please try again.",
        )
    }

    /// A body of a kind that is not read here.
    pub fn unsupported_media_type(wanted: &str) -> Self {
        let detail = format!("Send the body as {wanted}.");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    /// A body that is not what its content type says.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_input", detail)
    }

    /// Something has to be typed again.
    pub fn invalid(input: InvalidInput) -> Self {
        let detail = "Some of what was sent is not valid.";
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", detail);
        Self { errors: input.fields, ..problem }
    }

    /// Something went wrong inside.
    pub fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        let detail = "Something went wrong on our side. It has been noted; please try again.";
        let problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail);
        Self { cause: Some(Arc::new(cause)), ..problem }
    }

    /// A link that was used, is too old, or is none.
    fn token_invalid() -> Self {
        let detail = "This link is not good any more: it was used, is too old, or a newer one was sent.";
        Self::new(StatusCode::BAD_REQUEST, "token_invalid", detail)
    }

    fn email_taken() -> Self {
        let message = "There is an account with this address. Log in, or use another address.";
        let errors = InvalidInput::one("email", "email_taken", message).fields;
        Self { errors, ..Self::new(StatusCode::CONFLICT, "email_taken", message) }
    }

    /// The password of somebody logged in, or of who confirms an address, was not right.
    fn wrong_password(field: &'static str) -> Self {
        let detail = "The password is not right.";
        let errors = InvalidInput::one(field, "invalid_credentials", detail).fields;
        Self { errors, ..Self::new(StatusCode::UNAUTHORIZED, "invalid_credentials", detail) }
    }

    fn session_over(code: &'static str, detail: &'static str) -> Self {
        Self { is_session_over: true, ..Self::new(StatusCode::UNAUTHORIZED, code, detail) }
    }

    fn unavailable(code: &'static str, detail: &'static str, retry_after: u64) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        Self { retry_after: Some(retry_after), ..problem }
    }

    /// Says in headers when to try again: `Retry-After` (RFC 9110), and for a quota that is used up `RateLimit-Policy` and
    /// `RateLimit` (draft-ietf-httpapi-ratelimit-headers), with nothing remaining.
    pub(crate) fn tell_when(&self, headers: &mut HeaderMap) {
        let Some(seconds) = self.retry_after else { return };
        headers.insert(header::RETRY_AFTER, seconds.into());
        if let Some(quota) = &self.quota {
            let policy = format!("\"attempts\";q={};w={}", quota.burst, quota.span().whole_seconds());
            let left = format!("\"attempts\";r=0;t={seconds}");
            for (name, text) in [("ratelimit-policy", policy), ("ratelimit", left)] {
                let value = HeaderValue::try_from(text).expect("words and numbers are visible ASCII");
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    /// What is wrong with each field, for a form.
    pub fn field_errors(&self) -> FieldErrors {
        FieldErrors(self.errors.clone())
    }

    /// Whether the form is shown again, with what was typed and what is wrong. Also where the fault is ours: what
    /// somebody wrote is not lost because a database was away.
    pub fn keeps_the_form(&self) -> bool {
        !matches!(self.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN)
    }

    /// The short name of the status, for programs.
    pub fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    /// The same for people.
    pub fn heading(&self) -> &'static str {
        match self.status {
            StatusCode::NOT_FOUND => "Nothing here",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::INTERNAL_SERVER_ERROR => "Something went wrong",
            StatusCode::SERVICE_UNAVAILABLE => "Back in a moment",
            _ => self.title(),
        }
    }
}

/// The messages of a form, by field.
#[derive(Debug, Clone, Default)]
pub struct FieldErrors(Vec<InvalidField>);

impl FieldErrors {
    /// Whether nothing is wrong with any field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is the first field to mend, where the form should be entered.
    pub fn is_first(&self, field: &str) -> bool {
        self.0.first().is_some_and(|invalid| invalid.field == field)
    }

    /// The message of a field.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|invalid| invalid.field == field).map(|invalid| invalid.message.as_str())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let errors = self
            .errors
            .iter()
            .map(|invalid| FieldBody { field: invalid.field, code: invalid.code, message: &invalid.message })
            .collect();
        let body = ProblemBody {
            r#type: "about:blank",
            title: self.title(),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            errors,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.tell_when(headers);
        // For the layers that log the cause, remove the cookies, or tell it to a person.
        response.extensions_mut().insert(self);
        response
    }
}
