//! SIGTERM and SIGINT (Ctrl-C) to a command that must not leave half of its work lying about: it ends by itself, soon.

use std::process::exit;
use std::sync::LazyLock;

use tokio::sync::watch;

use crate::failure::Failure;

/// The number of the signal that came; 0 before that.
static SIGNAL: LazyLock<watch::Sender<u8>> = LazyLock::new(|| watch::Sender::new(0));

const SIGINT: u8 = 2;
#[cfg(unix)]
const SIGTERM: u8 = 15;

/// Takes the signals from now on. A second one ends the program at once, as the first would have done without this.
pub(crate) fn listen() {
    let take = |signal: u8| {
        SIGNAL.send_modify(|first| {
            if *first != 0 {
                exit(128 + i32::from(signal));
            }
            *first = signal;
        });
    };
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            take(SIGINT);
        }
    });
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::spawn(async move {
            while terminate.recv().await.is_some() {
                take(SIGTERM);
            }
        });
    }
}

/// The failure of a command that was stopped; none where no signal came.
pub(crate) fn stopped() -> Option<Failure> {
    let signal = *SIGNAL.borrow();
    (signal != 0).then_some(Failure::Stopped(signal))
}

/// Does something until it is done or a signal comes. What was begun is then dropped.
pub(crate) async fn or_stopped<T>(something: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut told = SIGNAL.subscribe();
    tokio::select! {
        biased;
        signal = told.wait_for(|signal| *signal != 0) => Err(Failure::Stopped(signal.map_or(SIGINT, |signal| *signal))),
        done = something => done,
    }
}
