use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Something that is waited for beside what is busy. It is looked at only when it asked for that, and not each time that the busy one
/// goes on: to look at a few timers and signals at every request takes as long as some checks of a session.
pub(super) struct Undisturbed<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    /// What rings it.
    ringer: Waker,
}

struct Bell {
    has_rung: AtomicBool,
    task: AtomicWaker,
}

impl<F> Undisturbed<F> {
    pub(super) fn new(future: F) -> Self {
        // It is looked at once, to begin with.
        let bell = Arc::new(Bell { has_rung: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { future: Box::pin(future), ringer: Waker::from(Arc::clone(&bell)), bell }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<F: Future> Future for Undisturbed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Before the bell is looked at: what rings in between wakes this task.
        self.bell.task.register(cx.waker());
        if !self.bell.has_rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.bell.has_rung.swap(false, Ordering::AcqRel);
        let Self { future, ringer, .. } = &mut *self;
        future.as_mut().poll(&mut Context::from_waker(ringer))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn it_is_looked_at_when_it_asks_for_that_and_not_with_what_is_beside_it() {
        let looks = Arc::new(AtomicUsize::new(0));
        let bell = Arc::new(Notify::new());
        let (counted, waited_for) = (Arc::clone(&looks), Arc::clone(&bell));
        let mut patient = Undisturbed::new(async move {
            let mut rung = std::pin::pin!(waited_for.notified());
            poll_fn(|cx| {
                counted.fetch_add(1, Ordering::Relaxed);
                rung.as_mut().poll(cx)
            })
            .await;
        });
        for _ in 0..100 {
            tokio::select! {
                biased;
                () = &mut patient => panic!("nobody rang"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        let ringing = tokio::spawn(async move {
            tokio::task::yield_now().await;
            bell.notify_one();
        });
        patient.await;
        assert_eq!(looks.load(Ordering::Relaxed), 2);
        ringing.await.unwrap();
    }
}
