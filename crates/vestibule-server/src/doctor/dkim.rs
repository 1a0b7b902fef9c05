use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::check::{Check, Finding};
use super::deployment::Deployment;
use super::spf::{no_public_sender, sender_domain};
use crate::settings::MailSetting;
use crate::transports::MailUrl;

/// Where Resend has its keys put.
const SELECTOR_OF_RESEND: &str = "resend";
/// Sizes of RSA keys in bytes of DER (RFC 3279): of 1024 and of 2048 bits, with some room.
const BYTES_OF_1024_BITS: usize = 150;
const BYTES_OF_2048_BITS: usize = 280;

/// Whether receivers can verify the provider's signatures (DKIM, RFC 6376).
pub(super) struct Dkim;

#[async_trait]
impl Check for Dkim {
    fn name(&self) -> &'static str {
        "dkim"
    }

    fn about(&self) -> &'static str {
        "The key of each `--dkim-selector` (for Resend `resend` without being asked) is in the sender's domain, not revoked, and long enough"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let Some(domain) = sender_domain(deployment.settings) else { return vec![no_public_sender()] };
        let mut selectors: Vec<&str> = deployment.options.dkim_selectors.iter().map(String::as_str).collect();
        if selectors.is_empty() && matches!(deployment.settings.mail, MailSetting::Server(MailUrl::Resend(_)))
        {
            selectors.push(SELECTOR_OF_RESEND);
        }
        if selectors.is_empty() {
            return vec![Finding::skipped(
                "where the key is only your mail provider knows: name its selector with --dkim-selector NAME",
            )];
        }
        let mut findings = Vec::new();
        for selector in selectors {
            let name = format!("{selector}._domainkey.{domain}");
            findings.push(match deployment.names.texts(&name).await {
                Ok(texts) => judge(&name, &texts),
                Err(problem) => Finding::failure(problem, "See `dns`."),
            });
        }
        findings
    }
}

fn judge(name: &str, texts: &[String]) -> Finding {
    const WAY_OUT: &str = "Set the record that your mail provider tells for this selector.";
    let tag = |text: &str, wanted: &str| {
        text.split(';').find_map(|part| {
            let (tag, value) = part.split_once('=')?;
            (tag.trim() == wanted).then(|| value.split_whitespace().collect::<String>())
        })
    };
    let records: Vec<(&String, String)> =
        texts.iter().filter_map(|text| Some((text, tag(text, "p")?))).collect();
    let [(record, key)] = &records[..] else {
        return match records.len() {
            0 => Finding::failure(format!("there is no DKIM key at {name}"), WAY_OUT),
            number => Finding::failure(
                format!("there are {number} DKIM keys at {name}, and none of them counts for certain"),
                "Leave one of them.",
            ),
        };
    };
    if key.is_empty() {
        return Finding::failure(format!("the DKIM key at {name} is revoked (`p=` is empty)"), WAY_OUT);
    }
    let Ok(bytes) = STANDARD.decode(key) else {
        return Finding::failure(
            format!("the DKIM key at {name} is not base64: it was cut or broken as it was pasted"),
            WAY_OUT,
        );
    };
    let is_rsa = tag(record, "k").is_none_or(|kind| kind.eq_ignore_ascii_case("rsa"));
    if is_rsa && bytes.len() < BYTES_OF_1024_BITS {
        return Finding::failure(
            format!("the DKIM key at {name} has fewer than 1024 bits, which receivers refuse"),
            "Let your mail provider make a key of 2048 bits.",
        );
    }
    if tag(record, "t").is_some_and(|flags| flags.split(':').any(|flag| flag == "y")) {
        return Finding::warning(
            format!(
                "the DKIM key at {name} says that it is being tried out (`t=y`), so receivers may pass it over"
            ),
            "Remove `t=y` from the record.",
        );
    }
    if is_rsa && bytes.len() < BYTES_OF_2048_BITS {
        return Finding::good(format!("there is a key at {name}, of 1024 bits: one of 2048 is better"));
    }
    Finding::good(format!("there is a key at {name}"))
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn a_key_must_be_there_alone_whole_and_long_enough() {
        let key = |bytes: usize| STANDARD.encode(vec![7; bytes]);
        let record = |bytes| format!("v=DKIM1; k=rsa; p={}", key(bytes));
        for (texts, outcome) in [
            (vec![record(294)], Outcome::Good),
            (vec![format!("p={} {}", &key(294)[..100], &key(294)[100..])], Outcome::Good),
            (vec![record(162)], Outcome::Good),
            (vec![format!("v=DKIM1; k=ed25519; p={}", key(32))], Outcome::Good),
            (vec![record(94)], Outcome::Failure),
            (vec!["v=DKIM1; p=".to_owned()], Outcome::Failure),
            (vec!["v=DKIM1; p=abc!".to_owned()], Outcome::Failure),
            (vec![], Outcome::Failure),
            (vec![record(294), record(294)], Outcome::Failure),
            (vec![format!("{}; t=y", record(294))], Outcome::Warning),
        ] {
            assert_eq!(judge("s._domainkey.example.com", &texts).outcome, outcome, "{texts:?}");
        }
    }
}
