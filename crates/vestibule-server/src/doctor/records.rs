use std::fmt::Write;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::certificate_authority::authority_of;
use super::deployment::Deployment;
use super::own_address::public_addresses;
use super::spf::sender_domain;
use crate::settings::MailSetting;
use crate::transports::MailUrl;

/// Long enough that nobody waits for answers, short enough that a mistake is mended within the hour.
const TTL: u32 = 3600;

/// A DNS record that the site needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZoneRecord {
    /// The whole name, without the last dot.
    pub name: String,
    pub kind: &'static str,
    /// As it stands in a zone file. Where it is not known, in words within `<…>`.
    pub value: String,
    /// Whether it can be pasted as it is.
    pub is_complete: bool,
    /// What it is for, and where a missing value comes from.
    pub note: String,
}

/// The records for the host of the public URL and for the sender's domain. `addresses` are those of the host, where they are
/// known better than this machine knows them.
pub(crate) fn needed(deployment: &Deployment<'_>, addresses: &[IpAddr]) -> Vec<ZoneRecord> {
    let host = deployment.site.host();
    let mut records = Vec::new();
    if deployment.site.has_name() && !deployment.settings.public_url.is_loopback() {
        let own = if addresses.is_empty() { public_addresses() } else { addresses.to_vec() };
        records.extend(of_addresses(host, &own));
        if deployment.site.is_https() {
            records.extend(authority_of(deployment).map(|authority| of_authority(host, &authority)));
        }
    }
    if let Some(domain) = sender_domain(deployment.settings) {
        records.extend(of_sender(domain, &deployment.settings.mail, &deployment.options.dkim_selectors));
    }
    records
}

fn of_addresses(host: &str, addresses: &[IpAddr]) -> Vec<ZoneRecord> {
    let mut records: Vec<ZoneRecord> = addresses
        .iter()
        .map(|address| ZoneRecord {
            name: host.to_owned(),
            kind: if address.is_ipv4() { "A" } else { "AAAA" },
            value: address.to_string(),
            is_complete: true,
            note: "where the site is".to_owned(),
        })
        .collect();
    if records.is_empty() {
        records.push(ZoneRecord {
            name: host.to_owned(),
            kind: "A",
            value: "<the public IPv4 address of this machine>".to_owned(),
            is_complete: false,
            note: "your host's console tells it, as this machine is behind NAT; or give it with --address. AAAA for IPv6".to_owned(),
        });
    }
    records
}

fn of_authority(host: &str, authority: &str) -> ZoneRecord {
    ZoneRecord {
        name: host.to_owned(),
        kind: "CAA",
        value: format!("0 issue \"{authority}\""),
        is_complete: true,
        note: "nobody else may issue certificates for the site".to_owned(),
    }
}

fn of_sender(domain: &str, mail: &MailSetting, selectors: &[String]) -> Vec<ZoneRecord> {
    let text = |name: String, value: &str, is_complete: bool, note: &str| ZoneRecord {
        name,
        kind: "TXT",
        value: if is_complete { format!("\"{value}\"") } else { value.to_owned() },
        is_complete,
        note: note.to_owned(),
    };
    let mut records = Vec::new();
    match mail {
        MailSetting::Server(MailUrl::Resend(_)) => {
            records.push(ZoneRecord {
                name: format!("send.{domain}"),
                kind: "MX",
                value: "<what the provider tells>".to_owned(),
                is_complete: false,
                note: "where the provider takes what could not be delivered: its page of the domain shows it".to_owned(),
            });
            records.push(text(
                format!("send.{domain}"),
                "<what the provider tells>",
                false,
                "SPF, of the provider's own sender: its page of the domain shows it",
            ));
        }
        MailSetting::Server(MailUrl::Smtp(smtp)) if smtp.is_on_this_machine() => records.push(text(
            domain.to_owned(),
            "v=spf1 a mx -all",
            true,
            "SPF: the machines of the domain's own A and MX records send for it. Add others who do. One SPF record in all",
        )),
        _ => records.push(text(
            domain.to_owned(),
            "<\"v=spf1 include:PROVIDER -all\", with what the mail provider tells>",
            false,
            "SPF: who sends for the domain. One SPF record in all: where there is one, add the provider's include to it",
        )),
    }
    let unknown = ["<selector>".to_owned()];
    for selector in if selectors.is_empty() { &unknown[..] } else { selectors } {
        records.push(text(
            format!("{selector}._domainkey.{domain}"),
            "<the key that the mail provider shows>",
            false,
            "DKIM: the key that proves the mails. Selector and key are the provider's (TXT, or CNAME with some)",
        ));
    }
    records.push(text(
        format!("_dmarc.{domain}"),
        "v=DMARC1; p=quarantine",
        true,
        "DMARC: what only pretends to be of the domain is taken for spam. Where others send for it too, begin with p=none and rua=mailto:YOU",
    ));
    records
}

/// A snippet for a zone file (RFC 1035, 5). What is not known stands in it as a comment.
pub(crate) fn zone_file(records: &[ZoneRecord]) -> String {
    let mut text = String::new();
    for record in records {
        let ZoneRecord { name, kind, value, is_complete, note } = record;
        let mark = if *is_complete { "" } else { "; " };
        // Writing into a text cannot fail.
        let _ = writeln!(text, "; {note}\n{mark}{name}. {TTL} IN {kind} {value}");
    }
    text
}

/// The same for scripts.
pub(crate) fn in_json(records: &[ZoneRecord]) -> Value {
    let records = records.iter().map(|record| {
        json!({
            "name": record.name,
            "type": record.kind,
            "ttl": TTL,
            "value": record.value,
            "is_complete": record.is_complete,
            "note": record.note,
        })
    });
    json!({ "records": records.collect::<Vec<_>>() })
}
