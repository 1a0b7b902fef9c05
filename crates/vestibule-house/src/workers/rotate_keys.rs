//! Keeps up with the keys that sign access tokens.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use vestibule::Accounts;

use super::is_to_go_on_after;
use crate::causes::with_causes;

/// So soon a server knows of a key that was made elsewhere. A new key waits far longer before it signs; this is how long a
/// key may still be taken that was thrown away because somebody else has it.
const EVERY: Duration = Duration::from_secs(30);

/// Reads the keys that sign access tokens again and again, until asked to stop.
pub async fn run(accounts: Arc<Accounts>, mut stop: watch::Receiver<bool>) {
    while is_to_go_on_after(EVERY, &mut stop).await {
        if let Err(error) = accounts.read_keys().await {
            let cause = with_causes(&error);
            tracing::warn!(
                cause,
                "the signing keys cannot be read again, so those that are known are used on"
            );
        }
    }
}
