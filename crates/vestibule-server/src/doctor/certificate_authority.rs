use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;
use super::names::CaaRecord;

/// Let's Encrypt, which most proxies ask by themselves.
const DEFAULT_AUTHORITY: &str = "letsencrypt.org";
/// By what CAA records name an authority, by the end of the host of its ACME directory.
const AUTHORITIES: [(&str, &str); 5] = [
    ("letsencrypt.org", "letsencrypt.org"),
    ("zerossl.com", "sectigo.com"),
    ("buypass.com", "buypass.com"),
    ("pki.goog", "pki.goog"),
    ("ssl.com", "ssl.com"),
];

/// Whether the certificate authority may issue for the host (CAA, RFC 8659).
pub(super) struct CertificateAuthority;

#[async_trait]
impl Check for CertificateAuthority {
    fn name(&self) -> &'static str {
        "certificate_authority"
    }

    fn about(&self) -> &'static str {
        "No CAA record keeps the certificate authority from issuing a certificate for the host"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let site = &deployment.site;
        if !site.is_https() || !site.has_name() || deployment.settings.public_url.is_loopback() {
            return vec![Finding::skipped("the public URL needs no certificate of a public authority")];
        }
        let Some(authority) = authority_of(deployment) else {
            return vec![Finding::skipped(
                "it is not known by what domain CAA records name the authority of VESTIBULE_ACME_DIRECTORY: say it with --certificate-authority DOMAIN",
            )];
        };
        // The nearest name with records decides, from the host upwards.
        let mut name = site.host();
        loop {
            match deployment.names.caa(name).await {
                Ok(records) if records.is_empty() => {}
                Ok(records) => return vec![judge(name, &records, &authority)],
                Err(problem) => {
                    return vec![Finding::failure(
                        format!("{problem}; a certificate authority that gets no answer issues nothing"),
                        "See with your DNS provider that its name servers answer questions for CAA records.",
                    )];
                }
            }
            match name.split_once('.') {
                Some((_, parent)) => name = parent,
                None => {
                    return vec![Finding::good(format!(
                        "no CAA record, so {authority} may issue, as every other authority"
                    ))];
                }
            }
        }
    }
}

/// The domain by which CAA records name the authority.
pub(super) fn authority_of(deployment: &Deployment<'_>) -> Option<String> {
    if let Some(authority) = &deployment.options.certificate_authority {
        return Some(authority.clone());
    }
    match deployment.shown("ACME_DIRECTORY") {
        Some(directory) if deployment.shown("TLS") == Some("acme") => {
            let url = url::Url::parse(directory).ok()?;
            let host = url.host_str()?;
            let known = AUTHORITIES.iter().find(|(end, _)| {
                host.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            });
            known.map(|(_, authority)| (*authority).to_owned())
        }
        _ => Some(DEFAULT_AUTHORITY.to_owned()),
    }
}

fn judge(name: &str, records: &[CaaRecord], authority: &str) -> Finding {
    let may_issue: Vec<&str> = records
        .iter()
        .filter(|record| record.tag == "issue")
        .map(|record| record.value.split(';').next().unwrap_or_default().trim())
        .collect();
    if may_issue.is_empty() || may_issue.iter().any(|domain| domain.eq_ignore_ascii_case(authority)) {
        return Finding::good(format!("the CAA records of {name} let {authority} issue"));
    }
    let allowed: Vec<&str> = may_issue.into_iter().filter(|domain| !domain.is_empty()).collect();
    let allowed = if allowed.is_empty() { "nobody".to_owned() } else { allowed.join(", ") };
    Finding::failure(
        format!("the CAA records of {name} let {allowed} issue, and not {authority}"),
        format!(
            "Add `{name}. CAA 0 issue \"{authority}\"` at your DNS provider, or say with --certificate-authority whom you use."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn who_is_named_may_issue_and_where_nobody_is_named_all_may() {
        let record = |tag: &str, value: &str| CaaRecord { tag: tag.to_owned(), value: value.to_owned() };
        for (records, outcome) in [
            (vec![record("issue", "letsencrypt.org")], Outcome::Good),
            (vec![record("issue", "LetsEncrypt.org; validationmethods=http-01")], Outcome::Good),
            (vec![record("issue", "sectigo.com"), record("issue", " letsencrypt.org ")], Outcome::Good),
            (vec![record("iodef", "mailto:ann@example.com")], Outcome::Good),
            (vec![record("issue", "sectigo.com")], Outcome::Failure),
            (vec![record("issue", ";")], Outcome::Failure),
            (vec![record("issuewild", ";")], Outcome::Good),
        ] {
            assert_eq!(judge("example.com", &records, "letsencrypt.org").outcome, outcome, "{records:?}");
        }
    }
}
