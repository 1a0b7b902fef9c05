use std::net::{IpAddr, Ipv4Addr};

use async_trait::async_trait;
use axum::body::Bytes;
use http::Method;
use serde_json::json;
use time::Duration;
use uuid::Uuid;
use vestibule::models::{AuditEventId, AuditEventKind};
use vestibule::ports::{OsRandom, Random};
use vestibule::repository::AuditFilter;
use vestibule_web::TrustedProxies;

use super::check::{Check, Finding};
use super::deployment::{Deployment, unreadable};
use super::own_address::{is_of_this_machine, is_public};
use crate::https_client::USER_AGENT;

/// An address that nobody can have a mailbox at (RFC 2606), so whoever signed up with it confirmed nothing.
const NOBODY: &str = "doctor@vestibule-doctor.invalid";
/// What is claimed to be the address: one of examples (RFC 5737), from which nothing ever comes.
const FORGED: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 113));
/// Events are looked for this far back: the server's clock may be another.
const LOOKED_BACK: Duration = Duration::minutes(10);
const EVENTS: u32 = 1000;

/// Which address the server takes a request for: what is written down of a log-in that fails is read from the database.
pub(super) struct ClientAddress;

#[async_trait]
impl Check for ClientAddress {
    fn name(&self) -> &'static str {
        "client_address"
    }

    fn about(&self) -> &'static str {
        "The server sees where a request comes from: through proxies of `VESTIBULE_TRUSTED_PROXIES`, and whatever `X-Forwarded-For` a client makes up (leaves one failed log-in of nobody in the audit trail)"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        if deployment.options.without_log_in {
            return vec![Finding::skipped("no log-in is tried (--without-log-in)")];
        }
        let forged = match tried(deployment, true).await {
            Ok(forged) => forged,
            Err(findings) => return findings,
        };
        let trusted = &deployment.settings.trusted_proxies;
        // Who is trusted may say what it likes. Whether that is this machine shows when it says nothing.
        let honest = if forged.seen == Some(FORGED) {
            match tried(deployment, false).await {
                Ok(honest) => honest.seen,
                Err(findings) => return findings,
            }
        } else {
            None
        };
        let addresses = deployment.site.addresses().as_deref().unwrap_or_default();
        vec![judge(&forged, honest, trusted, addresses, is_of_this_machine)]
    }
}

/// What came of a log-in.
struct Tried {
    /// The address that the server saw.
    seen: Option<IpAddr>,
    /// The address that this machine spoke from.
    from: IpAddr,
}

/// Tries to log in as nobody, and reads what the server wrote down of it.
async fn tried(deployment: &Deployment<'_>, is_forging: bool) -> Result<Tried, Vec<Finding>> {
    let mut repository = deployment.repository()?;
    let mark = Uuid::from_bytes((&OsRandom as &dyn Random).bytes()).simple().to_string();
    let agent = format!("{USER_AGENT} doctor {mark}");
    let mut headers = vec![("user-agent", agent.as_str()), ("content-type", "application/json")];
    let forged = FORGED.to_string();
    if is_forging {
        headers.push(("x-forwarded-for", &forged));
    }
    let body = json!({ "email": NOBODY, "password": mark }).to_string();
    let answer = deployment.site.visit(Method::POST, "/api/auth/log-in", &headers, Bytes::from(body)).await?;
    match answer.status.as_u16() {
        401 => {}
        429 | 503 => {
            return Err(vec![Finding::skipped(
                "the server takes no more log-ins for now; look again in a few minutes",
            )]);
        }
        status => {
            return Err(vec![Finding::failure(
                format!("a log-in of nobody is answered with {status} and not 401"),
                "See `health` and `this_server`; a firewall for applications may be before the server.",
            )]);
        }
    }
    let filter = AuditFilter {
        kind: Some(AuditEventKind::LogInFailed),
        from: Some(AuditEventId::lowest_at(deployment.now() - LOOKED_BACK)),
        ..AuditFilter::default()
    };
    let events = repository.find_audit_events(filter, EVENTS).await.map_err(unreadable)?;
    let event = events.into_iter().find(|event| event.client.user_agent() == Some(agent.as_str()));
    let Some(event) = event else {
        return Err(vec![Finding::failure(
            "a log-in that failed is not in the audit trail of this database",
            "See `this_server`: another server, or one on another database, answers. A proxy that changes User-Agent hides it too.",
        )]);
    };
    Ok(Tried { seen: event.client.ip(), from: answer.from.to_canonical() })
}

/// The cases, in order:
/// 1. this machine is a trusted proxy itself, so what it claims is believed, and nothing is shown;
/// 2. what was made up is believed: anybody can be anybody;
/// 3. a trusted proxy does not say where requests come from;
/// 4. the server saw this machine, by the address it spoke from or, through NAT, by that of the site;
/// 5. it saw a proxy: the address is this machine's other one, or a private one;
/// 6. it saw some address of the world: this machine's as others see it, or that of a proxy.
fn judge(
    tried: &Tried,
    honest: Option<IpAddr>,
    trusted: &TrustedProxies,
    site: &[IpAddr],
    is_own: impl Fn(IpAddr) -> bool,
) -> Finding {
    let from = tried.from;
    if trusted.contains(from) || honest.is_some_and(|honest| trusted.contains(honest)) {
        return Finding::skipped(
            "requests of this machine come from an address in VESTIBULE_TRUSTED_PROXIES, which is believed whatever it says; run this from another machine with the same settings to be sure",
        );
    }
    let Some(seen) = tried.seen else {
        return Finding::warning(
            "the proxy before the server is trusted and does not say where requests come from, so limits by address do not work",
            "Let it write X-Forwarded-For: in nginx `proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`.",
        );
    };
    if seen == FORGED {
        return Finding::failure(
            format!(
                "an X-Forwarded-For that was made up ({FORGED}) is believed: everybody can choose an address, and so get around limits and blame others"
            ),
            "Let the proxy add the address that it sees to X-Forwarded-For, or replace the header, and name no more than your proxies in VESTIBULE_TRUSTED_PROXIES.",
        );
    }
    if seen == from {
        return Finding::good(format!(
            "the server saw this machine ({from}), and did not believe a made-up address"
        ));
    }
    if site.contains(&seen) {
        return Finding::good(format!(
            "the server saw this machine by its public address ({seen}), and did not believe a made-up one"
        ));
    }
    if is_own(seen) || !is_public(seen) {
        return Finding::failure(
            format!(
                "the server saw {seen} where it should have seen {from}: that is a proxy or a gateway of containers, and all visitors seem to come from there and share its limits"
            ),
            format!(
                "Add {seen} to VESTIBULE_TRUSTED_PROXIES where it is a proxy that writes X-Forwarded-For. A gateway that hides addresses must pass them on, or the server be reached without it."
            ),
        );
    }
    Finding::skipped(format!(
        "the server saw {seen}. If this machine goes out by that address, all is well; if it is a proxy's or a CDN's, add that to VESTIBULE_TRUSTED_PROXIES"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn every_way_to_see_a_client_is_judged() {
        let trusted: TrustedProxies = "127.0.0.1,172.16.0.0/12".parse().unwrap();
        let nobody = TrustedProxies::default();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let own = |address: IpAddr| address == ip("127.0.0.1") || address == ip("8.8.8.8");
        let site = [ip("8.8.8.8"), ip("9.9.9.9")];
        for (from, seen, honest, proxies, outcome) in [
            ("8.8.8.8", Some("8.8.8.8"), None, &trusted, Outcome::Good),
            ("8.8.8.8", Some("8.8.8.8"), None, &nobody, Outcome::Good),
            // A private address behind the NAT of a cloud.
            ("10.0.0.5", Some("9.9.9.9"), None, &trusted, Outcome::Good),
            ("8.8.8.8", Some("127.0.0.1"), None, &nobody, Outcome::Failure),
            ("8.8.8.8", Some("10.1.1.1"), None, &nobody, Outcome::Failure),
            ("8.8.8.8", Some("203.0.113.113"), Some("8.8.8.8"), &trusted, Outcome::Failure),
            ("8.8.8.8", Some("203.0.113.113"), None, &trusted, Outcome::Failure),
            // The gateway of containers is what a proxy in one sees of its own machine.
            ("8.8.8.8", Some("203.0.113.113"), Some("172.18.0.1"), &trusted, Outcome::Skipped),
            ("127.0.0.1", Some("203.0.113.113"), Some("127.0.0.1"), &trusted, Outcome::Skipped),
            ("8.8.8.8", None, None, &trusted, Outcome::Warning),
            ("10.0.0.5", Some("1.1.1.1"), None, &trusted, Outcome::Skipped),
        ] {
            let tried = Tried { seen: seen.map(ip), from: ip(from) };
            let finding = judge(&tried, honest.map(ip), proxies, &site, own);
            assert_eq!(finding.outcome, outcome, "{from} {seen:?} {honest:?}: {}", finding.what);
        }
    }
}
