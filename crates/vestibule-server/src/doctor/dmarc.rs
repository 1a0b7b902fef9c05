use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;
use super::spf::{no_public_sender, sender_domain};

/// Whether the sender's domain says what to do with mails that only pretend to be of it (DMARC, RFC 7489).
pub(super) struct Dmarc;

#[async_trait]
impl Check for Dmarc {
    fn name(&self) -> &'static str {
        "dmarc"
    }

    fn about(&self) -> &'static str {
        "The sender's domain, or one above it, has a DMARC record with a policy"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let Some(domain) = sender_domain(deployment.settings) else { return vec![no_public_sender()] };
        let mut above = domain;
        // Of a domain without one, that of its organisation counts, which has a dot at least.
        while above.contains('.') {
            let name = format!("_dmarc.{above}");
            match deployment.names.texts(&name).await {
                Ok(texts) => {
                    if let Some(finding) = judge(&name, &texts) {
                        return vec![finding];
                    }
                }
                Err(problem) => return vec![Finding::failure(problem, "See `dns`.")],
            }
            above = above.split_once('.').map_or("", |(_, above)| above);
        }
        vec![Finding::warning(
            format!(
                "{domain} has no DMARC record: large providers take mails of it for spam, and everybody can pretend to be you"
            ),
            format!(
                "Set a TXT record at _dmarc.{domain}: `v=DMARC1; p=quarantine`. `doctor --dns-records` prints it."
            ),
        )]
    }
}

/// Nothing where there is no record.
fn judge(name: &str, texts: &[String]) -> Option<Finding> {
    let tag = |text: &str, wanted: &str| {
        text.split(';').find_map(|part| {
            let (tag, value) = part.split_once('=')?;
            tag.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    let records: Vec<&String> =
        texts.iter().filter(|text| tag(text, "v").as_deref() == Some("DMARC1")).collect();
    let [record] = records[..] else {
        return (records.len() > 1).then(|| {
            Finding::failure(
                format!("{name} has {} DMARC records, so that none of them counts", records.len()),
                "Leave one of them.",
            )
        });
    };
    Some(match tag(record, "p").map(|policy| policy.to_ascii_lowercase()).as_deref() {
        Some("quarantine" | "reject") => Finding::good(format!("{name}: {record}")),
        Some("none") => Finding::good(format!(
            "{name}: {record}. It only reports; once the reports are clean, `p=quarantine` keeps others from pretending to be you"
        )),
        _ => Finding::failure(
            format!("the DMARC record at {name} has no policy: {record}"),
            "Add `p=quarantine`, `p=reject` or `p=none`.",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn one_record_with_a_policy_counts() {
        for (texts, outcome) in [
            (&["v=DMARC1; p=reject; rua=mailto:ann@example.com"][..], Some(Outcome::Good)),
            (&["v=DMARC1;p=none"], Some(Outcome::Good)),
            (&["v=DMARC1; rua=mailto:ann@example.com"], Some(Outcome::Failure)),
            (&["v=DMARC1; p=none", "v=DMARC1; p=reject"], Some(Outcome::Failure)),
            (&["something else"], None),
            (&[], None),
        ] {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(
                judge("_dmarc.example.com", &texts).map(|finding| finding.outcome),
                outcome,
                "{texts:?}"
            );
        }
    }
}
