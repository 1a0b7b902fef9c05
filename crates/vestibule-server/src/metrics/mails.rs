use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use vestibule::services::{MailSent, SendMailError};
use vestibule_house::workers::mail::MailObserver;

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
}

impl MailObserver for MailMetrics {
    fn ended(&self, sent: &Result<MailSent, SendMailError>) {
        let counter = match sent {
            Ok(MailSent::Sent) => &self.sent,
            Ok(MailSent::Moot(_)) => &self.moot,
            Ok(MailSent::TryAgain { .. }) | Err(_) => &self.failed,
            Ok(MailSent::WaitsForQuota { .. }) => &self.postponed,
            Ok(MailSent::Dead { .. }) => &self.given_up,
        };
        counter.inc();
    }

    fn panicked(&self) {
        self.failed.inc();
    }

    fn given_up(&self) {
        self.given_up.inc();
    }
}
