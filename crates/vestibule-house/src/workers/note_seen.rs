//! Writes down which sessions were seen.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use vestibule::Accounts;

use super::is_to_go_on_after;
use crate::causes::with_causes;

const EVERY: Duration = Duration::from_mins(1);

/// Writes down which sessions were seen, once a minute, until asked to stop.
pub async fn run(accounts: Arc<Accounts>, mut stop: watch::Receiver<bool>) {
    while is_to_go_on_after(EVERY, &mut stop).await {
        if let Err(error) = accounts.write_seen().await {
            let cause = with_causes(&error);
            tracing::warn!(
                cause,
                "when sessions were last seen could not be written down; it is tried again"
            );
        }
    }
}
