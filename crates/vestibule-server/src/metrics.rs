use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use vestibule::Accounts;
use vestibule::ports::{HashingLoad, QueueCounts};
use vestibule::services::{MailSent, SendMailError};

use crate::failure::with_causes;

/// Prometheus' text format, version 0.0.4.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What this server did with mails since it started.
#[derive(Clone, Default)]
pub(crate) struct MailMetrics(Arc<Counters>);

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    moot: AtomicU64,
    failed: AtomicU64,
    postponed: AtomicU64,
    given_up: AtomicU64,
}

impl MailMetrics {
    pub(crate) fn count(&self, sent: &Result<MailSent, SendMailError>) {
        let counter = match sent {
            Ok(MailSent::Sent) => &self.0.sent,
            Ok(MailSent::Moot(_)) => &self.0.moot,
            Ok(MailSent::TryAgain { .. }) | Err(_) => &self.0.failed,
            Ok(MailSent::WaitsForQuota { .. }) => &self.0.postponed,
            Ok(MailSent::Dead { .. }) => &self.0.given_up,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A delivery that ended without a word.
    pub(crate) fn count_failed(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// A mail that could not even be read.
    pub(crate) fn count_given_up(&self) {
        self.0.given_up.fetch_add(1, Ordering::Relaxed);
    }
}

/// `/metrics`, for an address of its own.
pub(crate) fn router(accounts: Arc<Accounts>, mails: MailMetrics) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state((accounts, mails))
}

/// The queue of passwords that wait to be hashed or compared, and that of those that wait to be judged.
fn tell_hashing(text: &mut String, load: &HashingLoad) {
    let queues = [("hash", &load.hashing), ("judge", &load.judging)];
    let mut tell = |name: &str, kind: &str, help: &str, value: &dyn Fn(&QueueCounts) -> f64| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (work, counts) in queues {
            let _ = writeln!(text, "{name}{{work=\"{work}\"}} {}", value(counts));
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers")]
    let number = |count: u64| count as f64;
    tell("vestibule_hash_waiting", "gauge", "Passwords that wait for their turn.", &|counts| {
        number(counts.waiting)
    });
    tell("vestibule_hash_running", "gauge", "Passwords that are worked on.", &|counts| {
        number(counts.running)
    });
    tell(
        "vestibule_hash_average_seconds",
        "gauge",
        "How long one takes at present, from which the length of the queue follows.",
        &|counts| counts.average.as_secs_f64(),
    );
    tell("vestibule_hash_done_total", "counter", "Passwords that were worked on.", &|counts| {
        number(counts.done)
    });
    tell(
        "vestibule_hash_refused_total",
        "counter",
        "Passwords that were sent away because the wait was too long.",
        &|counts| number(counts.refused),
    );
    tell("vestibule_hash_work_seconds_total", "counter", "How long that work took.", &|counts| {
        counts.worked.as_secs_f64()
    });
    tell("vestibule_hash_wait_seconds_total", "counter", "How long it had waited before.", &|counts| {
        counts.waited.as_secs_f64()
    });
}

async fn metrics(State((accounts, mails)): State<(Arc<Accounts>, MailMetrics)>) -> Response {
    let counts = match accounts.count_mails().await {
        Ok(counts) => counts,
        Err(error) => {
            tracing::warn!(cause = with_causes(&error), "the mails cannot be counted");
            return (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response();
        }
    };
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: u64| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    };
    gauge("vestibule_mails_waiting", "Mails that are still to be sent, by any server.", counts.waiting);
    gauge("vestibule_mails_dead", "Mails that were given up and wait for an operator.", counts.dead);
    if let Some(load) = accounts.hashing_load() {
        tell_hashing(&mut text, &load);
    }
    text.push_str("# HELP vestibule_mail_attempts_total What this server did with mails.\n");
    text.push_str("# TYPE vestibule_mail_attempts_total counter\n");
    let counters = &mails.0;
    for (outcome, counter) in [
        ("sent", &counters.sent),
        ("moot", &counters.moot),
        ("failed", &counters.failed),
        ("postponed", &counters.postponed),
        ("given_up", &counters.given_up),
    ] {
        let value = counter.load(Ordering::Relaxed);
        let _ = writeln!(text, "vestibule_mail_attempts_total{{outcome=\"{outcome}\"}} {value}");
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}
