use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use vestibule::models::{MailOutcome, MailState, TrackedMail};
use vestibule::repository::{MailFilter, Repository, StoreError};

use super::check::{Check, Finding};
use super::deployment::{Deployment, unreadable};

/// A mail goes within seconds, and is tried again after minutes.
const LATE: Duration = Duration::minutes(15);
/// After two days it is given up.
const MUCH_TOO_LATE: Duration = Duration::days(1);
/// Mails given up before were told of already.
const NEWS: Duration = Duration::DAY;
const STEP: u32 = 500;
/// Where more wait, the oldest is not looked for.
const MOST_STEPS: usize = 20;

/// Whether mails go out.
pub(super) struct MailQueue;

#[async_trait]
impl Check for MailQueue {
    fn name(&self) -> &'static str {
        "mail_queue"
    }

    fn about(&self) -> &'static str {
        "No mail has waited for 15 minutes (a day: failure), and none was given up within a day"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let mut repository = match deployment.repository() {
            Ok(repository) => repository,
            Err(skipped) => return skipped,
        };
        let dead = MailFilter { state: Some(MailState::Finished(MailOutcome::Dead)), below: None };
        let (oldest, dead) = match (oldest(&mut *repository).await, repository.find_mails(dead, STEP).await) {
            (Ok(oldest), Ok(dead)) => (oldest, dead),
            (Err(error), _) | (_, Err(error)) => return unreadable(error),
        };
        let now = deployment.now();
        let mut findings = vec![of_waiting(oldest.as_ref(), now)];
        findings.extend(of_dead(&dead, now));
        findings
    }
}

async fn oldest(repository: &mut dyn Repository) -> Result<Option<TrackedMail>, StoreError> {
    let mut filter = MailFilter { state: Some(MailState::Waiting), below: None };
    let mut oldest: Option<TrackedMail> = None;
    for _ in 0..MOST_STEPS {
        let page = repository.find_mails(filter, STEP).await?;
        let Some(last) = page.into_iter().last() else { break };
        filter.below = Some(last.mail.id);
        oldest = Some(last);
    }
    Ok(oldest)
}

fn of_waiting(oldest: Option<&TrackedMail>, now: OffsetDateTime) -> Finding {
    const WAY_OUT: &str = "See `mail_server`, and `mail list --state waiting` for the reasons; `mail retry` tries all again at once. Mails also wait for the next day where VESTIBULE_MAIL_DAILY_LIMIT is reached, and while no server runs.";
    let Some(oldest) = oldest else { return Finding::good("no mail waits") };
    let age = now - oldest.mail.created_at;
    let reason = if oldest.reason.is_empty() { String::new() } else { format!(": {}", oldest.reason) };
    let told = format!("the oldest mail that waits is {} minutes old{reason}", age.whole_minutes());
    if age > MUCH_TOO_LATE {
        Finding::failure(told, WAY_OUT)
    } else if age > LATE {
        Finding::warning(told, WAY_OUT)
    } else {
        Finding::good(told)
    }
}

fn of_dead(dead: &[TrackedMail], now: OffsetDateTime) -> Option<Finding> {
    let is_new = |mail: &&TrackedMail| mail.finished_at.is_some_and(|finished_at| now - finished_at < NEWS);
    let news: Vec<&TrackedMail> = dead.iter().filter(is_new).collect();
    let newest = news.first()?;
    Some(Finding::warning(
        format!("mails given up within a day: {}. The last: {}", news.len(), newest.reason),
        "`mail list --state dead` tells all; `mail retry ID` tries one again. A mistyped address is no reason to worry.",
    ))
}
