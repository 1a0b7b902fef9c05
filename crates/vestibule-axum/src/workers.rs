use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use vestibule::Accounts;
use vestibule_house::with_causes;
use vestibule_house::workers::{cleaning, follow_changes, mail, note_seen, rotate_keys};

use crate::vestibule::Vestibule;

/// How long what is under way is waited for.
pub(crate) const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// What runs beside the answering, until it is stopped. Dropped, it is cut off at once: mails under way may then go twice.
#[must_use = "dropped, the workers are cut off"]
pub struct Workers {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    accounts: Arc<Accounts>,
}

impl Workers {
    pub(crate) fn start(vestibule: &Vestibule) -> Self {
        let inner = vestibule.inner();
        let accounts = Arc::clone(&inner.accounts);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        if let Some(mailer) = &inner.mailer {
            let (mailer, observer) = (Arc::clone(mailer), Arc::clone(&inner.mail_observer));
            tasks.spawn(mail::run(Arc::clone(&accounts), mailer, observer, stopped.clone()));
        }
        tasks.spawn(rotate_keys::run(Arc::clone(&accounts), stopped.clone()));
        tasks.spawn(cleaning::run(Arc::clone(&accounts), stopped.clone()));
        tasks.spawn(note_seen::run(Arc::clone(&accounts), stopped.clone()));
        let (database, cache) = (inner.database.clone(), Arc::clone(&inner.session_cache));
        tasks.spawn(follow_changes::run(database, inner.listen_at.clone(), cache, stopped));
        Self { stop, tasks, accounts }
    }

    /// Begins nothing more, waits up to ten seconds for what is under way, and writes down what was seen last.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_LIMIT, all).await.is_err() {
            tracing::warn!("what the workers do after {} s is cut off", DRAIN_LIMIT.as_secs());
        }
        if let Err(error) = self.accounts.write_seen().await {
            tracing::warn!(
                cause = with_causes(&error),
                "when sessions were last seen could not be written down"
            );
        }
    }
}
