use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};
use vestibule_web::BodyTooSlow;

use super::patience::Work;

/// How long a body may take whatever its size, how much longer for each KiB that came, and how long at most. A phone at
/// the edge of its network is faster; who sends a byte a second to keep us waiting (R-U-Dead-Yet) is not.
const AT_LEAST: Duration = Duration::from_secs(20);
const FOR_EACH_KIB: Duration = Duration::from_secs(1);
const AT_MOST: Duration = Duration::from_mins(5);

/// The body of a request as it comes in, for as long as it comes fast enough.
pub(super) struct Arriving<B = Incoming> {
    body: B,
    began: Instant,
    received: u64,
    late: Pin<Box<Sleep>>,
    turn: Turn,
}

/// Where several bodies come over one connection, each waits for its turn, and its time begins with that.
enum Turn {
    Waits(Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>),
    Has { _until_it_is_read: Option<OwnedSemaphorePermit> },
}

impl<B> Arriving<B> {
    pub(super) fn new(body: B, turns: Option<Arc<Semaphore>>) -> Self {
        let began = Instant::now();
        let turn = match turns {
            Some(turns) => Turn::Waits(Box::pin(turns.acquire_owned())),
            None => Turn::HAS,
        };
        Self { body, began, received: 0, late: Box::pin(sleep_until(began + AT_LEAST)), turn }
    }

    fn deadline(&self) -> Instant {
        let kib = u32::try_from(self.received / 1024).unwrap_or(u32::MAX);
        self.began + AT_LEAST.saturating_add(FOR_EACH_KIB.saturating_mul(kib)).min(AT_MOST)
    }
}

impl<B> HttpBody for Arriving<B>
where
    B: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Turn::Waits(turn) = &mut self.turn {
            let permit = ready!(turn.as_mut().poll(cx)).ok();
            self.turn = Turn::Has { _until_it_is_read: permit };
            self.began = Instant::now();
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                self.received += frame.data_ref().map_or(0, |data| data.len() as u64);
            } else {
                self.turn = Turn::HAS;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = self.deadline();
        if self.late.deadline() != deadline {
            self.late.as_mut().reset(deadline);
        }
        self.late.as_mut().poll(cx).map(|()| Some(Err(BodyTooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Turn {
    const HAS: Self = Self::Has { _until_it_is_read: None };
}

/// The body of an answer: its request is under way until the last of it was handed over.
pub(super) struct Answering {
    body: Body,
    work: Work,
}

impl Answering {
    pub(super) fn new(body: Body, work: Work) -> Self {
        // It is asked for only when the other side has room for it.
        work.owes();
        Self { body, work }
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Ready(_) => self.work.owes(),
            Poll::Pending => self.work.is_even(),
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
