use std::error::Error;

use ::vestibule::models::InvalidInput;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The largest body that is read.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;
/// The same for a form as it comes: browsers send a byte of any script but Latin as three (`%D1`). So many bytes were typed, and
/// no more are read either.
const MAX_FORM_BYTES: usize = 3 * MAX_BODY_BYTES;

/// A body that comes so slowly that it is not waited for. Whoever reads from the socket puts it in the place of the rest, and
/// it is answered with 408.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the body came too slowly")]
pub struct BodyTooSlow;

/// A JSON body: 415 where it is not said to be JSON, 413 over 64 KiB, 400 where it is not JSON, 422 where it is
/// of another shape.
pub struct Json<T>(pub T);

/// The fields of a form, under the same rules.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let is_json = |kind: &str| {
            kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
        };
        if !has_content_type(request.headers(), is_json) {
            return Err(Problem::unsupported_media_type("application/json"));
        }
        let bytes = read(request.into_body()).await?;
        // In two steps, so that what is no JSON at all and what has another shape can be told apart.
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|error| Problem::malformed(format!("The body is not JSON: {error}.")))?;
        // Serde would also take a list for the fields in their order, which nobody means.
        if !value.is_object() {
            return Err(wrong_type("request", "Send a JSON object."));
        }
        // Not in Serde's words: they repeat the value, and it may be a password.
        serde_path_to_error::deserialize(value).map(Self).map_err(|error| {
            match known_field(&error.path().to_string()) {
                "request" => wrong_type("request", "One of the fields is of the wrong type."),
                field => wrong_type(field, "This is of the wrong type. Send text."),
            }
        })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !has_content_type(request.headers(), |kind| kind == "application/x-www-form-urlencoded") {
            return Err(Problem::unsupported_media_type("application/x-www-form-urlencoded"));
        }
        let bytes = read_form(request.into_body()).await?;
        serde_urlencoded::from_bytes(&bytes)
            .map(Self)
            .map_err(|error| Problem::malformed(format!("The form cannot be read: {error}.")))
    }
}

/// The query of the address: 400 where it cannot be read.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        serde_urlencoded::from_str(parts.uri.query().unwrap_or_default())
            .map(Self)
            .map_err(|error| Problem::malformed(format!("The address cannot be read: {error}.")))
    }
}

/// A part of the path: where it is no text, there is nothing at the address.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_| Problem::not_found())
    }
}

/// Reads a body that may be 64 KiB at most.
pub(crate) async fn read(body: Body) -> Result<Bytes, Problem> {
    read_at_most(MAX_BODY_BYTES, body).await
}

/// Reads a form in which at most 64 KiB were typed. Who writes in Cyrillic or Chinese may write as much as others.
pub(crate) async fn read_form(body: Body) -> Result<Bytes, Problem> {
    let bytes = read_at_most(MAX_FORM_BYTES, body).await?;
    if typed_bytes(&bytes) > MAX_BODY_BYTES {
        return Err(Problem::payload_too_large());
    }
    Ok(bytes)
}

/// How long a form is without the wrapping of its bytes: `%D1` is one.
fn typed_bytes(form: &[u8]) -> usize {
    let is_wrapped = |bytes: &&[u8]| matches!(bytes, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    form.len() - 2 * form.windows(3).filter(is_wrapped).count()
}

async fn read_at_most(limit: usize, body: Body) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        if is_caused_by::<LengthLimitError>(&error) {
            Problem::payload_too_large()
        } else if is_caused_by::<BodyTooSlow>(&error) {
            Problem::too_slow()
        } else {
            Problem::malformed("The body broke off.")
        }
    })
}

fn is_caused_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source())
        .any(<dyn Error>::is::<E>)
}

fn wrong_type(field: &'static str, message: &str) -> Problem {
    Problem::invalid(InvalidInput::one(field, "wrong_type", message))
}

fn has_content_type(headers: &HeaderMap, is_wanted: impl Fn(&str) -> bool) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    is_wanted(&essence)
}

/// Names in problems are our own words, never the sender's.
fn known_field(path: &str) -> &'static str {
    const FIELDS: [&str; 10] = [
        "name",
        "email",
        "password",
        "invite",
        "token",
        "current_password",
        "new_password",
        "next",
        "title",
        "body",
    ];
    FIELDS.into_iter().find(|field| *field == path).unwrap_or("request")
}

/// Reads a text that may be missing or null: both are empty, and the model says that it is required.
pub mod nullable_text {
    use serde::{Deserialize, Deserializer};

    /// For `#[serde(deserialize_with = "…")]`, with `#[serde(default)]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Option::<String>::deserialize(deserializer).map(Option::unwrap_or_default)
    }
}
