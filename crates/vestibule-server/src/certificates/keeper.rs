use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;
use vestibule::models::{CertificateName, SealedCertificate, SealedSecret};
use vestibule::ports::{Clock, OsRandom, Random, SystemClock};
use vestibule::repository::{Certificates, StoreError};

use super::acme::{Customer, OrderError, Ordered};
use super::{Certificate, Served};
use crate::failure::with_causes;

/// How soon a certificate is served that another server ordered, and how soon where there is none yet.
const LOOK_EVERY: Duration = Duration::from_secs(30);
const LOOK_AT_FIRST: Duration = Duration::from_secs(2);
/// How soon a database is asked again that did not answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long one attempt may take, and after how long its server is taken for dead.
const ATTEMPT: Duration = Duration::from_mins(6);
const LEASE: time::Duration = time::Duration::minutes(7);
/// After so long it is tried again. Who cannot reach the authority doubles the first up to the second. Who was refused goes
/// through the list: Let's Encrypt counts five refusals in an hour and answers nobody who tries more often.
const UNREACHABLE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(15));
const REFUSED: [Duration; 6] = [
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_mins(30),
    Duration::from_hours(1),
    Duration::from_hours(2),
    Duration::from_hours(6),
];
const TOO_OFTEN: Duration = Duration::from_hours(1);

/// Keeps the certificate of this installation: serves what is in the database, and sees to it that there is one in time. Every
/// server has one; the database sees to it that one orders at a time.
pub(crate) struct Keeper {
    customer: Customer,
    served: Arc<Served>,
    name: CertificateName,
    holder: Uuid,
    /// What was wrong with stored certificates when they were last read, so that it is told once.
    told: Vec<String>,
}

/// A stored certificate that could be opened.
struct Stored {
    sealed: SealedCertificate,
    certificate: Certificate,
}

impl Keeper {
    pub(crate) fn new(customer: Customer, served: Arc<Served>) -> Self {
        let setting = customer.setting();
        let mut names = setting.domains.clone();
        names.sort();
        let name = CertificateName { authority: setting.directory.to_string(), names: names.join(",") };
        let holder = (&OsRandom as &dyn Random).uuid_v7(SystemClock.now());
        Self { customer, served, name, holder, told: Vec::new() }
    }

    /// Serves what is stored and orders what is lacking, and says when to look again. `at_once` does not wait after earlier
    /// failures: somebody has just started this server, perhaps because they mended what was wrong.
    pub(crate) async fn look_after(&mut self, at_once: bool, stop: &mut watch::Receiver<bool>) -> Duration {
        match self.look(at_once, stop).await {
            Ok(pause) => pause,
            Err(error) => {
                let cause = with_causes(&error);
                tracing::warn!(
                    cause,
                    "the certificates cannot be read, so the one that is known is served on"
                );
                ASK_AGAIN_AFTER
            }
        }
    }

    async fn look(
        &mut self,
        at_once: bool,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Duration, StoreError> {
        let now = SystemClock.now();
        if let Some(renew_at) = self.serve_what_is_stored().await?
            && renew_at > now
        {
            return Ok(until(renew_at, now).min(LOOK_EVERY));
        }
        let mut database = self.customer.database().alone();
        let lease = database.lease_order(&self.name, self.holder, now, now + LEASE, at_once).await?;
        let Some(lease) = lease else {
            let has_one = self.served.current().is_some_and(|certificate| certificate.not_after() > now);
            return Ok(if has_one { LOOK_EVERY } else { LOOK_AT_FIRST });
        };
        // Another server may have ordered between the look and the lease.
        if let Some(renew_at) = self.serve_what_is_stored().await?
            && renew_at > now
        {
            self.give_back(0, now).await?;
            return Ok(until(renew_at, now).min(LOOK_EVERY));
        }
        tracing::info!(names = self.name.names, authority = self.name.authority, "ordering a certificate");
        let attempt = tokio::select! {
            attempt = tokio::time::timeout(ATTEMPT, self.order()) => Some(attempt),
            stopped = stop.wait_for(|is_stopping| *is_stopping) => {
                drop(stopped);
                None
            }
        };
        let Some(attempt) = attempt else {
            self.give_back(lease.failures, now).await?;
            return Ok(Duration::ZERO);
        };
        let attempt = attempt.unwrap_or_else(|_| Err(OrderError::Unreachable("it took too long".to_owned())));
        match attempt {
            Ok(certificate) => {
                let (now, renew_at) = (SystemClock.now(), certificate.renew_at());
                // Or every server would order again at once, and again.
                let next = if renew_at > now { renew_at } else { now + TOO_OFTEN };
                if renew_at <= now {
                    tracing::error!(until = %certificate.not_after(), "the certificate that came is due already: is the clock right?");
                }
                self.give_back(0, next).await?;
                Ok(Duration::ZERO)
            }
            Err(error) => {
                let pause = with_jitter(pause_after(&error, lease.failures));
                let next = SystemClock.now() + pause;
                self.tell_failure(&error, lease.failures + 1, next);
                self.give_back(lease.failures.saturating_add(1), next).await?;
                Ok(pause.min(LOOK_EVERY))
            }
        }
    }

    /// Orders a certificate and keeps it for all servers.
    async fn order(&self) -> Result<Certificate, OrderError> {
        let Ordered { chain, private_key } = self.customer.order().await?;
        let certificate = Certificate::parse(chain.as_bytes(), private_key.as_bytes())
            .map_err(|error| OrderError::Unusable(format!("the certificate that came: {error}")))?;
        let now = SystemClock.now();
        let sealed = SealedCertificate {
            name: self.name.clone(),
            chain,
            private_key: self.seal(private_key.as_bytes(), &self.name),
            issued_at: now,
            expires_at: certificate.not_after(),
        };
        let mut database = self.customer.database().alone();
        database.replace_certificate(&sealed).await?;
        tracing::info!(until = %certificate.not_after(), names = self.name.names, "a certificate was ordered");
        // What is over for a week is of no use to anybody, not even to find out what went wrong.
        database.delete_certificates_over_before(now - time::Duration::WEEK).await?;
        Ok(certificate)
    }

    /// Serves the best of what is stored, and says when that of our names is to be renewed; nothing where there is none.
    async fn serve_what_is_stored(&mut self) -> Result<Option<OffsetDateTime>, StoreError> {
        let listed = self.customer.database().alone().list_certificates(&self.name.authority).await?;
        let mut problems = Vec::new();
        let mut opened = Vec::new();
        for sealed in listed {
            match self.open(sealed).await? {
                Ok(stored) => opened.push(stored),
                Err(problem) => problems.push(problem),
            }
        }
        if problems != self.told {
            for problem in &problems {
                tracing::warn!("{problem}");
            }
            self.told = problems;
        }
        let now = SystemClock.now();
        let ours = opened.iter().find(|stored| stored.sealed.name == self.name);
        let host = self.customer.setting().domains.first().map(String::as_str).unwrap_or_default();
        // While other names are ordered than before, the certificate of those before is better than none.
        let best = ours
            .filter(|stored| stored.certificate.not_after() > now)
            .or_else(|| opened.iter().find(|stored| stored.certificate.is_for(host)))
            .or(ours);
        if let Some(best) = best
            && self.served.current().as_ref() != Some(&best.certificate)
        {
            let until = best.certificate.not_after();
            tracing::info!(%until, names = best.sealed.name.names, "serving a certificate");
            self.served.replace(best.certificate.clone());
        }
        Ok(ours.map(|stored| stored.certificate.renew_at()))
    }

    /// Opens a stored certificate, and seals it anew where it lies under an older secret key. What cannot be opened is said,
    /// and is as good as missing: another one is ordered.
    async fn open(&self, sealed: SealedCertificate) -> Result<Result<Stored, String>, StoreError> {
        let names = &sealed.name.names;
        let Some(opened) = sealed.private_key.open(&of_certificate(&sealed.name), self.customer.keys())
        else {
            return Ok(Err(format!(
                "the private key of the certificate for {names} cannot be opened with this secret key; another one is ordered"
            )));
        };
        if !opened.is_under_newest {
            let private_key = self.seal(&opened.secret, &sealed.name);
            let anew = SealedCertificate { private_key, ..sealed.clone() };
            // Where it was replaced meanwhile, another server did it.
            let mut database = self.customer.database().alone();
            let _ = database.replace_sealed_certificate_key(&sealed, &anew).await?;
        }
        Ok(match Certificate::parse(sealed.chain.as_bytes(), &opened.secret) {
            Ok(certificate) => Ok(Stored { sealed, certificate }),
            Err(error) => Err(format!("the stored certificate for {names} cannot be served: {error}")),
        })
    }

    fn seal(&self, private_key: &[u8], name: &CertificateName) -> SealedSecret {
        SealedSecret::seal(private_key, &of_certificate(name), self.customer.keys(), &OsRandom)
    }

    async fn give_back(&self, failures: u32, next_attempt_at: OffsetDateTime) -> Result<(), StoreError> {
        let now = SystemClock.now();
        let mut database = self.customer.database().alone();
        // Where it was taken away meanwhile, somebody else orders, and knows more.
        let _ = database.end_order(&self.name, self.holder, now, failures, next_attempt_at).await?;
        Ok(())
    }

    fn tell_failure(&self, error: &OrderError, attempt: u32, next: OffsetDateTime) {
        let (cause, names) = (with_causes(error), &self.name.names);
        match self.served.current() {
            Some(served) => {
                let until = served.not_after();
                let is_late = until - SystemClock.now() < served.lifetime() / 6;
                if is_late {
                    tracing::error!(cause, names, attempt, %until, next_attempt = %next, "the certificate ends soon and cannot be renewed");
                } else {
                    tracing::warn!(cause, names, attempt, %until, next_attempt = %next, "the certificate cannot be renewed; the one before is served on");
                }
            }
            None => {
                tracing::error!(cause, names, attempt, next_attempt = %next, "no certificate can be ordered, and there is none: https is not answered");
            }
        }
    }
}

/// What the private key of a certificate is sealed as.
fn of_certificate(name: &CertificateName) -> String {
    format!("certificate of {} for {}", name.authority, name.names)
}

/// How long to wait after a failure, where so many went before it.
fn pause_after(error: &OrderError, failures: u32) -> Duration {
    match error {
        OrderError::Unreachable(_) | OrderError::Store(_) => {
            UNREACHABLE.0.saturating_mul(1 << failures.min(20)).min(UNREACHABLE.1)
        }
        OrderError::Refused(_) | OrderError::Unusable(_) | OrderError::NoAccount => {
            REFUSED[usize::try_from(failures).unwrap_or(usize::MAX).min(REFUSED.len() - 1)]
        }
        OrderError::TooOften(_) => TOO_OFTEN,
    }
}

/// Up to a tenth longer: those who failed in the same moment do not come back in the same moment.
fn with_jitter(pause: Duration) -> Duration {
    let [chance] = (&OsRandom as &dyn Random).bytes();
    pause + pause / 10 * u32::from(chance) / 256
}

fn until(moment: OffsetDateTime, now: OffsetDateTime) -> Duration {
    Duration::try_from(moment - now).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_reached_is_asked_again_soon_and_who_refused_is_left_alone_longer() {
        let unreachable = OrderError::Unreachable(String::new());
        let pauses: Vec<_> = (0..10).map(|failures| pause_after(&unreachable, failures).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert_eq!(pause_after(&unreachable, u32::MAX).as_secs(), 900);

        let refused = OrderError::Refused(String::new());
        let pauses: Vec<_> = (0..8).map(|failures| pause_after(&refused, failures).as_secs() / 60).collect();
        assert_eq!(pauses, [5, 15, 30, 60, 120, 360, 360, 360]);
        assert_eq!(pause_after(&refused, u32::MAX).as_secs() / 3600, 6);
        for _ in 0..100 {
            assert!((3600..=3960).contains(&with_jitter(TOO_OFTEN).as_secs()));
        }
    }
}
