use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::patience::Patience;
use super::places::Place;

/// How long nobody may take what is answered. The other side is gone without a word, or reads as slowly as it can so that
/// answers pile up here.
const FOR_TAKING: Duration = Duration::from_secs(30);

/// A connection that tells when something comes in, fails when nothing goes out, and keeps its place for as long as it is
/// open, whoever has it: a WebSocket is no request under way and a connection all the same.
pub(super) struct Watched<I> {
    io: I,
    patience: Patience,
    stalled: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

impl<I> Watched<I> {
    pub(super) fn new(io: I, patience: Patience, place: Place) -> Self {
        Self { io, patience, stalled: None, _place: place }
    }

    /// Lets a write wait for so long and no longer.
    fn limit<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
        }
        self.limit_wait(cx, written)
    }

    /// The same for what is no progress by itself: a flush has nothing to do where a write is stuck.
    fn limit_wait<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            return done;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(FOR_TAKING)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if read.is_ready() && buffer.filled().len() > before {
            self.patience.heard();
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.patience.writing(true);
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.limit(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.patience.writing(true);
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.limit(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        // It is asked for when everything was written.
        if flushed.is_ready() {
            self.patience.writing(false);
        }
        self.limit_wait(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.limit_wait(cx, shut)
    }
}
