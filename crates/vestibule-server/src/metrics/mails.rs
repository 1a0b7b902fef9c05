use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use vestibule::services::{MailSent, SendMailError};

/// What this server did with mails since it started.
#[derive(Clone)]
pub(crate) struct MailMetrics {
    sent: IntCounter,
    moot: IntCounter,
    failed: IntCounter,
    postponed: IntCounter,
    given_up: IntCounter,
}

impl MailMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let options = Opts::new("vestibule_mail_attempts_total", "What this server did with mails.");
        let attempts = IntCounterVec::new(options, &["outcome"]).expect("its names are good");
        registry.register(Box::new(attempts.clone())).expect("no other has its name");
        // Each of them, so that there is a nought before the first: an alert on a rise needs one.
        let of = |outcome: &str| attempts.with_label_values(&[outcome]);
        Self {
            sent: of("sent"),
            moot: of("moot"),
            failed: of("failed"),
            postponed: of("postponed"),
            given_up: of("given_up"),
        }
    }

    pub(crate) fn count(&self, sent: &Result<MailSent, SendMailError>) {
        let counter = match sent {
            Ok(MailSent::Sent) => &self.sent,
            Ok(MailSent::Moot(_)) => &self.moot,
            Ok(MailSent::TryAgain { .. }) | Err(_) => &self.failed,
            Ok(MailSent::WaitsForQuota { .. }) => &self.postponed,
            Ok(MailSent::Dead { .. }) => &self.given_up,
        };
        counter.inc();
    }

    /// A delivery that ended without a word.
    pub(crate) fn count_failed(&self) {
        self.failed.inc();
    }

    #[cfg(test)]
    pub(crate) fn failed(&self) -> u64 {
        self.failed.get()
    }

    /// A mail that could not even be read.
    pub(crate) fn count_given_up(&self) {
        self.given_up.inc();
    }
}
