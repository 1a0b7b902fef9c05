//! What every request goes through on its way to a handler, outermost first: where it comes from, the headers of its answer, the
//! log, panics, the guard.
//!
//! It is around the handler itself, and no layer of axum's: for each request axum copies at each layer all that lies below it, which
//! costs more than the check of a session.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;

use crate::guard::{Guard, guard_api, guard_nowhere, guard_page};
use crate::layers::face_of;
use crate::problem::Problem;
use crate::request_log::{Finished, ReadBy};
use crate::routes::Face;
use crate::{client, headers, request_log};

/// The way to one route.
pub(crate) struct Entrance {
    pub guard: Guard,
    pub leads_to: LeadsTo,
}

/// What is behind an entrance, which says how a request is guarded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LeadsTo {
    Api,
    Page,
    /// What is answered where nothing is.
    Nowhere,
    /// A route of an application's own router, for programs, for people, or for whoever asks.
    Layered(Option<Face>),
}

/// Says of a request that it came through a layer of the application's.
#[derive(Clone, Copy)]
struct Within;

/// A handler behind an entrance.
#[derive(Clone)]
pub(crate) struct Guarded<H> {
    pub entrance: Arc<Entrance>,
    pub handler: H,
}

pub(crate) type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

impl<H: Handler<T, S>, T: 'static, S: Send + 'static> Handler<T, S> for Guarded<H> {
    type Future = Answer;

    fn call(self, request: Request, state: S) -> Answer {
        let Self { entrance, handler } = self;
        let inner = Inner::new(move |request| handler.call(request, state));
        Box::pin(async move { enter(&entrance, request, inner).await })
    }
}

/// What is behind a guard. One type for all handlers: else the compiler would write the guards once for each.
pub(crate) struct Inner(Box<dyn FnOnce(Request) -> Answer + Send>);

impl Inner {
    pub(crate) fn new<F>(answer: impl FnOnce(Request) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        Self(Box::new(move |request| Box::pin(answer(request))))
    }

    pub(crate) fn run(self, request: Request) -> Answer {
        (self.0)(request)
    }
}

pub(crate) async fn enter(entrance: &Entrance, mut request: Request, inner: Inner) -> Response {
    let Entrance { guard, leads_to } = entrance;
    client::note_address(&guard.vestibule, &mut request);
    // A layer may stand around routes that have an entrance themselves. What these finished is left as it is.
    let is_within = request.extensions().get::<Within>().is_some();
    if matches!(leads_to, LeadsTo::Layered(_)) {
        request.extensions_mut().insert(Within);
    }
    let place = headers::Place::of(request.uri());
    let guarded = |request: Request| async {
        let face = match leads_to {
            LeadsTo::Layered(face) => Some(face.unwrap_or_else(|| face_of(request.headers()))),
            _ => None,
        };
        // In boxes, but for what is asked most: what is kept for a request is as large as the largest of these.
        let answered = async {
            match (leads_to, face) {
                (LeadsTo::Api, _) | (_, Some(Face::Api)) => guard_api(guard, request, inner).await,
                (LeadsTo::Nowhere, _) => Box::pin(guard_nowhere(guard, request, inner)).await,
                (LeadsTo::Page | LeadsTo::Layered(_), _) => Box::pin(guard_page(guard, request, inner)).await,
            }
        };
        // What is left half done is of this request alone: nothing else sees it.
        let caught = AssertUnwindSafe(answered).catch_unwind().await;
        let mut response = caught.unwrap_or_else(|payload| panicked(&*payload));
        if let Some(face) = face {
            response.extensions_mut().insert(ReadBy(face));
        }
        response
    };
    let mut response = request_log::log_and_finish(&guard.vestibule, request, guarded).await;
    match leads_to {
        LeadsTo::Layered(_) => headers::keep_private(&mut response),
        _ => headers::add_defaults(&guard.vestibule, place, &mut response),
    }
    if is_within {
        response.extensions_mut().insert(Finished);
    }
    response
}

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);

/// A defect of ours: told like any other, and the server goes on.
fn panicked(payload: &(dyn Any + Send)) -> Response {
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    let problem = Problem::internal(Panicked(message.to_owned()));
    debug_assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
    problem.into_response()
}
