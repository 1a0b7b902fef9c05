use async_trait::async_trait;
use rustls::CertificateError;
use time::{Duration, OffsetDateTime};
use vestibule_web::moments::iso;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::check::{Check, Finding};
use super::deployment::Deployment;
use super::visit::Shown;

/// Whoever renews begins a month before or, with short-lived certificates, after two thirds of their life. With less than this
/// left, and less than a quarter of the life, renewing has failed for a while.
const RENEWED_BEFORE: Duration = Duration::days(20);
/// With less than this left, and less than a tenth of the life, somebody must act today.
const URGENT: Duration = Duration::days(3);

/// Whether browsers take the certificate, and for how long.
pub(super) struct Certificate;

#[async_trait]
impl Check for Certificate {
    fn name(&self) -> &'static str {
        "certificate"
    }

    fn about(&self) -> &'static str {
        "Each address of the host shows a certificate that this system trusts, with the host's name, and for 20 days more (3: failure; less for certificates that live less than 80 days)"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let site = &deployment.site;
        if !site.is_https() {
            return vec![Finding::skipped("the public URL is plain http")];
        }
        let mut findings: Vec<Finding> = Vec::new();
        for &address in site.addresses().as_deref().unwrap_or_default() {
            match site.shake_hands(address, rustls::DEFAULT_VERSIONS).await {
                Ok(shown) => findings.push(judge(&shown, site.host(), deployment.now())),
                // `reachable` tells of those that take no connection.
                Err(problem) if problem.contains("takes no connection") => {}
                Err(problem) => findings.push(Finding::failure(
                    format!("{address}: {problem}"),
                    "See that what listens there speaks https for this host.",
                )),
            }
        }
        findings.dedup();
        if findings.is_empty() {
            findings.push(Finding::skipped("the site cannot be reached from here (see `reachable`)"));
        }
        findings
    }
}

/// What is read of a certificate.
struct Facts {
    names: Vec<String>,
    issuer: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

fn read(shown: &Shown) -> Option<Facts> {
    let (_, certificate) = X509Certificate::from_der(shown.chain.first()?).ok()?;
    let moment = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
    let names = certificate.subject_alternative_name().ok().flatten().map(|names| {
        let names = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
        names.collect()
    });
    Some(Facts {
        names: names.unwrap_or_default(),
        issuer: certificate.issuer().to_string(),
        not_before: moment(certificate.validity().not_before.timestamp())?,
        not_after: moment(certificate.validity().not_after.timestamp())?,
    })
}

fn judge(shown: &Shown, host: &str, now: OffsetDateTime) -> Finding {
    const RENEW: &str =
        "Renew it, and see why that did not happen by itself: the log of the server or of the proxy says it.";
    let Some(facts) = read(shown) else {
        return Finding::failure("the certificate cannot be read", "Get another one.");
    };
    let Facts { names, issuer, not_before, not_after } = facts;
    let (life, left) = (not_after - not_before, not_after - now);
    if left <= Duration::ZERO {
        return Finding::failure(format!("the certificate has expired on {}", iso(not_after)), RENEW);
    }
    if not_before > now {
        return Finding::failure(
            format!("the certificate is good from {} on, and that is to come", iso(not_before)),
            "Look at the clock of this machine (see `clock`).",
        );
    }
    match &shown.refused {
        None => {}
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => {
            return Finding::failure(
                format!("the certificate is not for {host}, but for {}", names.join(", ")),
                "Get one for this host, and see that the proxy shows it for this name.",
            );
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            let (what, way_out) = if shown.chain.len() > 1 {
                (
                    "the certificate is of an authority that this system does not trust",
                    "Get one of a public authority.",
                )
            } else {
                (
                    "no authority that this system trusts has issued the certificate, or the server does not send the certificates between",
                    "Serve the whole chain (`fullchain.pem`), and get the certificate from a public authority.",
                )
            };
            return Finding::failure(format!("{what} (issuer: {issuer})"), way_out);
        }
        Some(error) => {
            return Finding::failure(format!("browsers refuse the certificate: {error}"), "Get another one.");
        }
    }
    let told =
        format!("the certificate is good until {} ({} days), of {issuer}", iso(not_after), left.whole_days());
    if left < URGENT.min(life / 10) {
        Finding::failure(told, RENEW)
    } else if left < RENEWED_BEFORE.min(life / 4) {
        Finding::warning(told, RENEW)
    } else {
        Finding::good(told)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::macros::datetime;

    use super::super::check::Outcome;
    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-05-01 12:00 UTC);

    fn shown(from: OffsetDateTime, until: OffsetDateTime, refused: Option<CertificateError>) -> Shown {
        let mut parameters = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
        parameters.not_before = from;
        parameters.not_after = until;
        let certificate = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Shown {
            chain: vec![certificate.der().clone()],
            refused: refused.map(rustls::Error::InvalidCertificate),
        }
    }

    #[test]
    fn days_to_the_end_are_counted_by_how_long_a_certificate_lives() {
        let days = Duration::days;
        for (life, left, outcome) in [
            (days(90), days(30), Outcome::Good),
            (days(90), days(19), Outcome::Warning),
            (days(90), days(2), Outcome::Failure),
            (days(90), -days(1), Outcome::Failure),
            (days(45), days(13), Outcome::Good),
            (days(45), days(10), Outcome::Warning),
            (days(6), days(2), Outcome::Good),
            (days(6), days(1), Outcome::Warning),
            (days(6), Duration::hours(10), Outcome::Failure),
        ] {
            let shown = shown(NOW + left - life, NOW + left, None);
            let finding = judge(&shown, "example.com", NOW);
            assert_eq!(finding.outcome, outcome, "{life} {left}: {}", finding.what);
        }
    }

    #[test]
    fn why_a_browser_refuses_it_is_said_in_words() {
        let day = Duration::DAY;
        for (refused, word) in [
            (CertificateError::NotValidForName, "but for example.com"),
            (CertificateError::UnknownIssuer, "the certificates between"),
            (CertificateError::Revoked, "refuse"),
        ] {
            let finding = judge(&shown(NOW - day, NOW + day * 90, Some(refused)), "site.test", NOW);
            assert!(finding.outcome == Outcome::Failure && finding.what.contains(word), "{}", finding.what);
        }
        let early = judge(&shown(NOW + day, NOW + day * 90, None), "example.com", NOW);
        assert!(early.what.contains("to come") && early.outcome == Outcome::Failure);
    }
}
