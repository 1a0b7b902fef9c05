//! The guard as a layer, for an application that has its own [`Router`](axum::Router), with whatever state.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::vestibule::models::Role;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use tower::{Layer, Service};

use crate::entrance::{Entrance, Inner, LeadsTo, enter};
use crate::guard::{Guard, Who, accepts_page};
use crate::routes::Face;
use crate::vestibule::Vestibule;

/// A layer that lets pass whom it should, for [`Router::route_layer`](axum::Router::route_layer) and
/// [`Router::layer`](axum::Router::layer). Cheap to clone.
///
/// It does what stands before every route of [`Routes`](crate::Routes): it checks the session and the CSRF token, refreshes a session
/// within the request of a page, clears the cookies of one that is over, leaves a [`CurrentUser`](crate::CurrentUser) for the handler,
/// writes the line of the log, and has answers kept by no cache (`Cache-Control: private, no-store`) unless the handler says otherwise.
/// Other headers are left to the application.
///
/// What it refuses is told to whoever asked: a browser that goes to a page is led to the log-in page and back, everything else gets
/// `application/problem+json` with 401 or 403. A form of a page carries the CSRF token in its field `csrf_token`, a program sends it
/// in the header `X-CSRF-Token`. [`for_pages`](Self::for_pages) and [`for_programs`](Self::for_programs) decide for one of the two.
#[derive(Clone)]
pub struct Check {
    vestibule: Vestibule,
    who: Who,
    face: Option<Face>,
}

impl Vestibule {
    /// A layer that lets pass who is logged in and, where the owner of the site wants that, has confirmed their address.
    pub fn require_log_in(&self) -> Check {
        self.require(Who::LoggedIn)
    }

    /// A layer that lets pass who is logged in and has a role. An admin may do what every role may.
    ///
    /// # Panics
    ///
    /// Where the site has no such role: a route that nobody can ever call is a mistake, which shows as the application starts.
    pub fn require_role(&self, role: &str) -> Check {
        let known = self.accounts().roles();
        let Some(role) = known.iter().find(|known| known.as_str() == role) else {
            let known = known.iter().map(Role::as_str).collect::<Vec<_>>().join(", ");
            panic!(
                "require_role({role:?}): this application has no such role, it has {known}. Name it where its roles are named"
            )
        };
        self.require(Who::Role(role.clone()))
    }

    /// A layer that lets everybody pass and tells who is logged in: for handlers that ask for `Option<CurrentUser>`.
    ///
    /// What changes something (POST and the like) must come from a page of this site, since there may be no session that has a CSRF
    /// token: what another site sends is refused by `Sec-Fetch-Site` and `Origin`.
    pub fn optional_user(&self) -> Check {
        self.require(Who::Visitor)
    }

    /// A layer for any [`Who`], such as [`Who::Recently`].
    pub fn require(&self, who: Who) -> Check {
        Check { vestibule: self.clone(), who, face: None }
    }
}

impl Check {
    /// Answers everybody as people are answered who go to a page.
    #[must_use]
    pub fn for_pages(self) -> Self {
        Self { face: Some(Face::Page), ..self }
    }

    /// Answers everybody as programs are answered.
    #[must_use]
    pub fn for_programs(self) -> Self {
        Self { face: Some(Face::Api), ..self }
    }
}

impl<I> Layer<I> for Check {
    type Service = Checked<I>;

    fn layer(&self, inner: I) -> Checked<I> {
        let guard = Guard { vestibule: self.vestibule.clone(), who: self.who.clone() };
        let entrance = Entrance { guard, leads_to: LeadsTo::Layered(self.face) };
        Checked { entrance: Arc::new(entrance), inner }
    }
}

/// What stands behind a [`Check`].
#[derive(Clone)]
pub struct Checked<I> {
    entrance: Arc<Entrance>,
    inner: I,
}

impl<I> Service<Request> for Checked<I>
where
    I: Service<Request, Error = Infallible> + Clone + Send + 'static,
    I::Response: IntoResponse,
    I::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that was made ready is used, and the new one is left.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let entrance = Arc::clone(&self.entrance);
        let behind = Inner::new(move |request| {
            let answered = inner.call(request);
            async move { answered.await.unwrap_or_else(|never| match never {}).into_response() }
        });
        Box::pin(async move { Ok(enter(&entrance, request, behind).await) })
    }
}

/// Who asks: a browser that goes to a page, or anything else. What scripts fetch may accept pages too, and browsers say which it is.
pub(crate) fn face_of(headers: &HeaderMap) -> Face {
    let mode = headers.get("sec-fetch-mode");
    let is_navigation = accepts_page(headers) && mode.is_none_or(|mode| mode == "navigate");
    if is_navigation { Face::Page } else { Face::Api }
}
