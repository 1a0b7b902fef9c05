//! Sends the mails that wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{self, JoinError, JoinSet};
use vestibule::Accounts;
use vestibule::models::{ClaimedMail, MailKind, OutgoingMailId};
use vestibule::ports::Mailer;
use vestibule::repository::ClaimError;
use vestibule::services::{MailSent, SendMailError};

use crate::causes::with_causes;

/// How many mails are under way at a time: a mail server that hangs holds up few, and none is flooded.
const AT_A_TIME: usize = 4;
/// How soon a mail is seen that waits.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How soon a database is asked again that did not answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Who counts what becomes of mails. Does nothing by itself, so `()` is one that does not count.
pub trait MailObserver: Send + Sync + 'static {
    /// A mail was sent, or not, or what became of it could not be noted.
    fn ended(&self, _sent: &Result<MailSent, SendMailError>) {}

    /// A delivery ended without a word, by a defect.
    fn panicked(&self) {}

    /// A mail could not even be read, and is given up.
    fn given_up(&self) {}
}

impl MailObserver for () {}

/// Sends the mails that wait until asked to stop, and finishes those under way.
pub async fn run(
    accounts: Arc<Accounts>,
    mailer: Arc<dyn Mailer>,
    observer: Arc<dyn MailObserver>,
    stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut under_way =
        Deliveries { observer: Arc::clone(&observer), tasks: JoinSet::new(), mails: HashMap::new() };
    loop {
        under_way.note_ended();
        // First the place and then the mail: a lease that is waited with is shorter by the waiting. All places may be taken
        // by deliveries that hang, and the word to stop comes here too.
        let place = tokio::select! {
            biased;
            () = asked_to_stop(&stop) => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        let pause = match accounts.claim_mail().await {
            Ok(Some(claimed)) => {
                let (accounts, mailer, observer) =
                    (Arc::clone(&accounts), Arc::clone(&mailer), Arc::clone(&observer));
                let about = (claimed.mail.id, claimed.mail.kind);
                under_way.begin(about, async move {
                    let sent = accounts.send_mail(&claimed, &*mailer).await;
                    tell(&claimed, &sent);
                    observer.ended(&sent);
                    drop(place);
                });
                continue;
            }
            Ok(None) => LOOK_AGAIN_AFTER,
            Err(ClaimError::Broken(mail)) => {
                tracing::error!(mail = %mail.id, reason = mail.problem, "mail given up: its row cannot be read");
                observer.given_up();
                continue;
            }
            Err(ClaimError::Store(error)) => {
                tracing::warn!(cause = with_causes(&error), "the outbox cannot be read");
                ASK_AGAIN_AFTER
            }
        };
        drop(place);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = asked_to_stop(&stop) => break,
        }
    }
    under_way.wait_for_all().await;
}

/// The deliveries that were begun, and whose task is which.
struct Deliveries {
    observer: Arc<dyn MailObserver>,
    tasks: JoinSet<()>,
    mails: HashMap<task::Id, (OutgoingMailId, MailKind)>,
}

impl Deliveries {
    fn begin(
        &mut self,
        mail: (OutgoingMailId, MailKind),
        delivery: impl Future<Output = ()> + Send + 'static,
    ) {
        self.mails.insert(self.tasks.spawn(delivery).id(), mail);
    }

    fn note_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.note(ended);
        }
    }

    async fn wait_for_all(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.note(ended);
        }
    }

    /// A delivery that panics is a defect, and its mail is taken up again when the lease is over.
    fn note(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        if let (Err(_), Some((mail, kind))) = (ended, self.mails.remove(&id)) {
            // What it panicked with may quote the mail, and is on standard error anyway.
            tracing::error!(%mail, kind = kind.as_str(), "the delivery of a mail panicked; it is tried again in two minutes");
            self.observer.panicked();
        }
    }
}

async fn asked_to_stop(stop: &watch::Receiver<bool>) {
    // Where nobody can ask any more, the program ends.
    drop(stop.clone().wait_for(|is_stopping| *is_stopping).await);
}

/// Whether it depends on who has an address that a mail of this kind is not sent. That is no business of the log's, which
/// more people read than the database.
fn tells_who_has_an_address(kind: MailKind) -> bool {
    matches!(kind, MailKind::ResetPassword | MailKind::ConfirmNewEmail | MailKind::ConfirmSignUp)
}

/// One line for each mail: its number and kind, never its recipient, its text or its link.
fn tell(claimed: &ClaimedMail, sent: &Result<MailSent, SendMailError>) {
    let (mail, kind, attempt) = (claimed.mail.id, claimed.mail.kind.as_str(), claimed.attempt);
    match sent {
        Ok(MailSent::Sent) => tracing::info!(%mail, kind, attempt, "mail sent"),
        Ok(MailSent::Moot(_)) if tells_who_has_an_address(claimed.mail.kind) => {
            tracing::debug!(%mail, kind, attempt, "nothing to send");
        }
        Ok(MailSent::Moot(why)) => tracing::info!(%mail, kind, attempt, why, "nothing to send"),
        Ok(MailSent::TryAgain { at, reason }) => {
            tracing::warn!(%mail, kind, attempt, next_attempt = %at, reason, "mail not sent, it is tried again");
        }
        Ok(MailSent::WaitsForQuota { until, why }) => {
            tracing::warn!(
                %mail, kind, %until, why,
                "a mail waits for the next day (VESTIBULE_MAIL_DAILY_LIMIT, or what a mailbox gets in a day)"
            );
        }
        Ok(MailSent::Dead { reason }) => {
            tracing::error!(%mail, kind, attempt, reason, "mail given up: it is not tried again");
        }
        Err(error) => {
            let cause = with_causes(error);
            tracing::error!(%mail, kind, attempt, cause, "what became of a mail could not be noted, so it may go twice");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_trait::async_trait;
    use vestibule::models::Mail;
    use vestibule::ports::MailError;
    use vestibule_testkit::{DatabaseKind, House, Post};

    use super::*;

    /// A defect that the first mail comes upon.
    struct PanicsOnce {
        post: Post,
        has_panicked: AtomicBool,
    }

    /// How many deliveries panicked.
    #[derive(Default)]
    struct Panics(AtomicUsize);

    impl MailObserver for Panics {
        fn panicked(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[async_trait]
    impl Mailer for PanicsOnce {
        async fn send(&self, mail: &Mail) -> Result<(), MailError> {
            assert!(self.has_panicked.swap(true, Ordering::Relaxed), "a defect");
            self.post.send(mail).await
        }
    }

    #[tokio::test]
    async fn a_delivery_that_panics_is_counted_and_the_others_go_on() {
        let house = House::open(DatabaseKind::Sqlite).await;
        for number in 0..6 {
            house.signed_up(&format!("ann{number}")).await;
        }
        let mailer = Arc::new(PanicsOnce { post: house.post.clone(), has_panicked: AtomicBool::new(false) });
        let (stop, stopped) = watch::channel(false);
        let panics = Arc::new(Panics::default());
        let worker = tokio::spawn(run(Arc::clone(&house.accounts), mailer, panics.clone(), stopped));
        while house.post.delivered().len() < 5 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.send_replace(true);
        worker.await.unwrap();
        assert_eq!((panics.0.load(Ordering::Relaxed), house.post.delivered().len()), (1, 5));
        assert_eq!(house.outbox().await.len(), 1, "it is tried again when the lease is over");
    }
}
