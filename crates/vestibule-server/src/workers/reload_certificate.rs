use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use vestibule::ports::{Clock, SystemClock};

use super::is_to_go_on_after;
use crate::certificates::Served;
use crate::certificates::files::{Fingerprint, doubts, fingerprint, read};
use crate::settings::CertificateFiles;

/// How soon a renewed certificate is served. Both files are small.
const EVERY: Duration = Duration::from_secs(5);
/// How often it is told that a certificate ends.
const TELL_AGAIN_AFTER: Duration = Duration::from_hours(24);

/// Looks after a certificate in files until asked to stop: serves it anew when they change. What cannot be served is told,
/// and the one before is served on.
pub(crate) async fn run(
    files: CertificateFiles,
    host: String,
    served: Arc<Served>,
    first: Fingerprint,
    mut stop: watch::Receiver<bool>,
) {
    let mut taken = first;
    // What was seen last and not taken, and whether that was told.
    let mut refused: Option<(String, bool)> = None;
    let mut told: Option<Instant> = None;
    while is_to_go_on_after(EVERY, &mut stop).await {
        let is_due = told.is_none_or(|told| told.elapsed() >= TELL_AGAIN_AFTER);
        if let Some(doubts) = served.current().and_then(|now| doubts(&now, &host, SystemClock.now()))
            && is_due
        {
            tracing::warn!("{doubts}");
            told = Some(Instant::now());
        }
        let problem = match fingerprint(&files) {
            Ok(seen) if seen == taken => {
                refused = None;
                continue;
            }
            Ok(_) => match read(&files) {
                Ok(read) => {
                    let until = read.certificate.not_after();
                    served.replace(read.certificate);
                    tracing::info!(%until, "the certificate changed, and the new one is served");
                    (taken, refused, told) = (read.fingerprint, None, None);
                    continue;
                }
                Err(error) => error.in_words(),
            },
            Err(error) => error.in_words(),
        };
        // Whoever writes two files writes one after the other. Only what stays wrong is told, and once.
        let (was_there, was_told) = match &refused {
            Some((last, was_told)) => (*last == problem, *was_told),
            None => (false, false),
        };
        if was_there && !was_told {
            tracing::warn!(problem, "the new certificate cannot be served, so the one before is served on");
        }
        refused = Some((problem, was_there));
    }
}
