use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

/// When the last part of a request came that was read.
#[derive(Clone)]
pub(crate) enum Arrival {
    /// It has no body: all of it came with the headers.
    Whole(Instant),
    /// It has one, and it is read while the request is answered.
    Read(Arc<Mutex<Instant>>),
}

impl Arrival {
    /// Watches a request whose headers came now.
    pub(crate) fn watch(request: Request) -> (Self, Request) {
        let now = Instant::now();
        if request.body().is_end_stream() {
            return (Self::Whole(now), request);
        }
        let last = Arc::new(Mutex::new(now));
        let arrival = Self::Read(Arc::clone(&last));
        (arrival, request.map(|body| Body::new(Watched { body, last })))
    }

    /// When that was.
    pub(crate) fn at(&self) -> Instant {
        match self {
            Self::Whole(at) => *at,
            Self::Read(last) => *last.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

struct Watched {
    body: Body,
    last: Arc<Mutex<Instant>>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
