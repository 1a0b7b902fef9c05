use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use vestibule::Accounts;
use vestibule::models::{ClaimedMail, MailKind};
use vestibule::ports::Mailer;
use vestibule::services::{MailSent, SendMailError};

use crate::failure::with_causes;
use crate::metrics::MailMetrics;

/// How many mails are under way at a time: a mail server that hangs holds up few, and none is flooded.
const AT_A_TIME: usize = 4;
/// How soon a mail is seen that waits.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How soon a database is asked again that did not answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Sends the mails that wait until asked to stop, and finishes those under way.
pub(crate) async fn run(
    accounts: Arc<Accounts>,
    mailer: Arc<dyn Mailer>,
    metrics: MailMetrics,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut under_way = JoinSet::new();
    while !*stop.borrow() {
        // First the place and then the mail: a lease that is waited with is shorter by the waiting.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let pause = match accounts.claim_mail().await {
            Ok(Some(claimed)) => {
                let (accounts, mailer, metrics) =
                    (Arc::clone(&accounts), Arc::clone(&mailer), metrics.clone());
                under_way.spawn(async move {
                    let sent = accounts.send_mail(&claimed, &*mailer).await;
                    tell(&claimed, &sent);
                    metrics.count(&sent);
                    drop(place);
                });
                while under_way.try_join_next().is_some() {}
                continue;
            }
            Ok(None) => LOOK_AGAIN_AFTER,
            Err(error) => {
                tracing::warn!(cause = with_causes(&error), "the outbox cannot be read");
                ASK_AGAIN_AFTER
            }
        };
        drop(place);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            stopped = stop.wait_for(|is_stopping| *is_stopping) => drop(stopped),
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// One line for each mail: its number and kind, never its recipient, its text or its link.
fn tell(claimed: &ClaimedMail, sent: &Result<MailSent, SendMailError>) {
    let (mail, kind, attempt) = (claimed.mail.id, claimed.mail.kind.as_str(), claimed.attempt);
    match sent {
        Ok(MailSent::Sent) => tracing::info!(%mail, kind, attempt, "mail sent"),
        // Whether anybody has an address is no business of the log's, which more people read than the database.
        Ok(MailSent::Moot(_)) if claimed.mail.kind == MailKind::ResetPassword => {
            tracing::debug!(%mail, kind, attempt, "nothing to send");
        }
        Ok(MailSent::Moot(why)) => tracing::info!(%mail, kind, attempt, why, "nothing to send"),
        Ok(MailSent::TryAgain { at, reason }) => {
            tracing::warn!(%mail, kind, attempt, next_attempt = %at, reason, "mail not sent, it is tried again");
        }
        Ok(MailSent::WaitsForQuota { until }) => {
            tracing::warn!(
                %mail, kind, %until,
                "the day's mails (VESTIBULE_MAIL_DAILY_LIMIT) are used up, so a mail waits for the next day"
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
