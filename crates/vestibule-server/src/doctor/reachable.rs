use std::io::ErrorKind;

use async_trait::async_trait;

use super::check::{Check, Finding, Outcome};
use super::deployment::Deployment;
use super::visit::{connect, in_words};

/// Whether the site takes connections at every address of its name.
pub(super) struct Reachable;

#[async_trait]
impl Check for Reachable {
    fn name(&self) -> &'static str {
        "reachable"
    }

    fn about(&self) -> &'static str {
        "Each address of the host takes connections at the public URL's port and, with https, at port 80, as far as can be seen from this machine"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let site = &deployment.site;
        let addresses = match site.addresses() {
            Ok(addresses) if !addresses.is_empty() => addresses,
            _ => return vec![Finding::failure("the host has no address to connect to", "See `dns`.")],
        };
        let mut ports = vec![site.port()];
        // Where https is at a port of its own, 80 may be another site's.
        if site.is_https() && (site.port() == 443 || deployment.options.http_port != 80) {
            ports.push(deployment.options.http_port);
        }
        let mut findings = Vec::new();
        let mut open = Vec::new();
        for &port in &ports {
            for &address in addresses {
                match connect(address, port).await {
                    Ok(_) => open.push(std::net::SocketAddr::new(address, port).to_string()),
                    Err(error) if is_for_want_of_a_network(&error) && addresses.len() > 1 => findings.push(
                        Finding::skipped(format!("this machine has no way to {address}, so it cannot be said of it")),
                    ),
                    Err(error) if port == site.port() => findings.push(Finding::failure(
                        in_words(address, port, &error),
                        "Open the port in the firewall of the machine and of its provider, see that something listens there on this kind of address, or remove the address from the name.",
                    )),
                    Err(error) => findings.push(Finding::warning(
                        in_words(address, port, &error),
                        "Open that port too: who types the address without https comes there, and so do certificate authorities (http-01).",
                    )),
                }
            }
        }
        // A name such as localhost has addresses of both kinds, and a server in development listens on one.
        if deployment.settings.public_url.is_loopback() && !open.is_empty() {
            findings.retain(|finding| finding.outcome != Outcome::Failure);
        }
        if !open.is_empty() {
            findings.insert(0, Finding::good(format!("connections are taken at {}", open.join(", "))));
        }
        findings
    }
}

/// Most machines without IPv6 say so at once.
fn is_for_want_of_a_network(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::AddrNotAvailable
    )
}
