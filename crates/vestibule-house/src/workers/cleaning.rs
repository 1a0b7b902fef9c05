//! Removes what is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use vestibule::Accounts;

use super::is_to_go_on_after;
use crate::causes::with_causes;

const EVERY: Duration = Duration::from_hours(1);
/// Between two batches, for others to get their turn.
const BETWEEN_BATCHES: Duration = Duration::from_millis(200);

/// Removes what is over, at the start and once an hour, until asked to stop.
pub async fn run(accounts: Arc<Accounts>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let pause = match accounts.clean_up().await {
            Ok(cleaned) => {
                tracing::debug!(?cleaned, "removed what is over");
                if cleaned.may_be_more() { BETWEEN_BATCHES } else { EVERY }
            }
            Err(error) => {
                tracing::warn!(cause = with_causes(&error), "what is over could not be removed");
                EVERY
            }
        };
        is_to_go_on_after(pause, &mut stop).await;
    }
}
