use std::convert::Infallible;
use std::ops::Deref;

use ::vestibule::models;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;

use crate::guard::CurrentUser;
use crate::problem::Problem;

/// The session of who is logged in, for handlers that want no more. Only a passed check makes one.
#[derive(Debug, Clone)]
pub struct Session(CurrentUser);

impl Session {
    /// The token for the forms of a page: `<input type="hidden" name="csrf_token" value="…">`.
    pub fn csrf_token(&self) -> &str {
        self.csrf_token.as_str()
    }
}

impl Deref for Session {
    type Target = models::Session;

    fn deref(&self) -> &models::Session {
        self.0.session()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        <CurrentUser as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Self)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Infallible> {
        let current = <CurrentUser as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(current.map(Self))
    }
}
