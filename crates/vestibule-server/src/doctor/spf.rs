use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;
use super::names::Names;
use crate::settings::{MailSetting, Settings};
use crate::transports::MailUrl;

/// What may be looked up for one record, with those that it includes (RFC 7208, 4.6.4).
const MOST_LOOKUPS: usize = 10;

/// Whether the sender's domain says who may send for it (SPF, RFC 7208).
pub(super) struct Spf;

#[async_trait]
impl Check for Spf {
    fn name(&self) -> &'static str {
        "spf"
    }

    fn about(&self) -> &'static str {
        "The domain of `VESTIBULE_MAIL_FROM` has one SPF record, which ends with `-all` or `~all` and needs no more than 10 lookups (whether it covers your mail server is not looked at)"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let Some(domain) = sender_domain(deployment.settings) else { return vec![no_public_sender()] };
        let texts = match deployment.names.texts(domain).await {
            Ok(texts) => texts,
            Err(problem) => return vec![Finding::failure(problem, "See `dns`.")],
        };
        let records: Vec<&String> = texts.iter().filter(|text| is_spf(text)).collect();
        let is_by_resend = matches!(deployment.settings.mail, MailSetting::Server(MailUrl::Resend(_)));
        vec![match records[..] {
            [] if is_by_resend => Finding::good(format!(
                "{domain} has no SPF record; the provider sends from a subdomain with one of its own"
            )),
            [] => Finding::warning(
                format!("{domain} has no SPF record: many take mails of it for spam"),
                "Set the TXT record that your mail provider tells, or `v=spf1 a -all` where this machine sends by itself. `doctor --dns-records` prints it.",
            ),
            [record] => {
                let lookups = lookups(&deployment.names, record).await;
                judge(domain, record, lookups)
            }
            _ => Finding::failure(
                format!("{domain} has {} SPF records, so that none of them counts", records.len()),
                "Put them together into one TXT record.",
            ),
        }]
    }
}

/// The domain of the sender, where mails go into the world.
pub(super) fn sender_domain(settings: &Settings) -> Option<&str> {
    let domain = settings.mail_from.domain();
    let is_sent = matches!(settings.mail, MailSetting::Server(_));
    (is_sent && domain.contains('.') && !domain.starts_with('[')).then_some(domain)
}

pub(super) fn no_public_sender() -> Finding {
    Finding::skipped("no mail is sent, or its sender's domain is none that name servers know")
}

fn is_spf(text: &str) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    first.eq_ignore_ascii_case("v=spf1")
}

/// The terms of a record that are looked up.
fn looked_up(record: &str) -> impl Iterator<Item = (String, Option<String>)> {
    record.split_whitespace().skip(1).filter_map(|term| {
        let term = term.trim_start_matches(['+', '-', '~', '?']).to_ascii_lowercase();
        let end = term.find([':', '=', '/']).unwrap_or(term.len());
        let (name, value) = (term[..end].to_owned(), term[end..].strip_prefix([':', '=']).map(str::to_owned));
        matches!(name.as_str(), "include" | "redirect" | "a" | "mx" | "ptr" | "exists")
            .then_some((name, value))
    })
}

/// How much a receiver must look up, as far as that goes.
async fn lookups(names: &Names, record: &str) -> usize {
    let mut waiting = vec![record.to_owned()];
    let mut count = 0;
    while let Some(record) = waiting.pop() {
        for (name, value) in looked_up(&record) {
            count += 1;
            if count > MOST_LOOKUPS {
                return count;
            }
            if matches!(name.as_str(), "include" | "redirect")
                && let Some(domain) = value.filter(|domain| !domain.contains('%'))
            {
                let texts = names.texts(&domain).await.unwrap_or_default();
                waiting.extend(texts.into_iter().find(|text| is_spf(text)));
            }
        }
    }
    count
}

fn judge(domain: &str, record: &str, lookups: usize) -> Finding {
    let last = |term: &str| record.split_whitespace().any(|each| each.eq_ignore_ascii_case(term));
    if last("+all") || last("all") {
        return Finding::failure(
            format!("the SPF record of {domain} lets everybody send for it"),
            "Let it end with `-all` or `~all`.",
        );
    }
    if lookups > MOST_LOOKUPS {
        return Finding::failure(
            format!(
                "the SPF record of {domain} needs more than {MOST_LOOKUPS} lookups, so that it does not count"
            ),
            "Remove `include` of providers that you no longer use.",
        );
    }
    let has_redirect = looked_up(record).any(|(name, _)| name == "redirect");
    if !last("-all") && !last("~all") && !has_redirect {
        return Finding::warning(
            format!("the SPF record of {domain} refuses nobody: {record}"),
            "Let it end with `-all` or `~all`.",
        );
    }
    Finding::good(format!("{domain}: {record}"))
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn records_that_refuse_nobody_or_need_too_much_are_told() {
        for (record, lookups, outcome) in [
            ("v=spf1 include:spf.example.net -all", 3, Outcome::Good),
            ("v=spf1 a mx ~all", 2, Outcome::Good),
            ("v=spf1 redirect=_spf.example.net", 1, Outcome::Good),
            ("v=spf1 a ?all", 1, Outcome::Warning),
            ("v=spf1 a", 1, Outcome::Warning),
            ("v=spf1 +all", 0, Outcome::Failure),
            ("v=spf1 a -all", 11, Outcome::Failure),
        ] {
            assert_eq!(judge("example.com", record, lookups).outcome, outcome, "{record}");
        }
        let terms: Vec<String> =
            looked_up("v=spf1 ip4:192.0.2.1 ~include:a.test A/24 mx:b.test exists:%{i}.c.test -all")
                .map(|(name, _)| name)
                .collect();
        assert_eq!(terms, ["include", "a", "mx", "exists"]);
    }
}
