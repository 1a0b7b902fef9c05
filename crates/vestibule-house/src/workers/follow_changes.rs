//! Follows what other servers change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use vestibule::SessionCache;
use vestibule_sql::{Database, DatabaseUrl};

use crate::causes::with_causes;

/// What goes on is told no more often.
const BETWEEN_WARNINGS: Duration = Duration::from_mins(1);

/// Follows what other servers and commands change, for the cache of sessions, until asked to stop.
pub async fn run(
    database: Database,
    listen_at: DatabaseUrl,
    cache: Arc<SessionCache>,
    mut stop: watch::Receiver<bool>,
) {
    let warned: Mutex<Option<Instant>> = Mutex::new(None);
    let following = database.follow_changes(&listen_at, &cache, |error| {
        let mut warned = warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|at| at.elapsed() >= BETWEEN_WARNINGS) {
            *warned = Some(Instant::now());
            let cause = with_causes(&error);
            tracing::warn!(
                cause,
                "what other servers change cannot be followed, so each check of a session reads the database until it can; behind \
                 PgBouncer, set VESTIBULE_DATABASE_LISTEN_URL"
            );
        }
    });
    tokio::select! {
        () = following => {}
        stopped = stop.wait_for(|is_stopping| *is_stopping) => drop(stopped),
    }
}
