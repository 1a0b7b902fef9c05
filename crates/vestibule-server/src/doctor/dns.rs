use std::net::IpAddr;

use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;
use super::own_address::{is_of_this_machine, is_public};

/// Whether the host of the public URL has addresses, and whose they are.
pub(super) struct Dns;

#[async_trait]
impl Check for Dns {
    fn name(&self) -> &'static str {
        "dns"
    }

    fn about(&self) -> &'static str {
        "The host of the public URL has A or AAAA records, of addresses that the world can reach: this machine's, or those of a proxy or NAT before it"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let site = &deployment.site;
        if !site.has_name() || deployment.settings.public_url.is_loopback() {
            return vec![Finding::skipped(format!("{} is no name that name servers know", site.host()))];
        }
        match site.addresses() {
            Ok(addresses) => judge(site.host(), addresses, site.is_https(), is_of_this_machine),
            Err(problem) => vec![Finding::failure(
                problem.as_str(),
                "See with your DNS provider that the domain is registered and its name servers answer. `doctor --dns-records` prints the records.",
            )],
        }
    }
}

fn judge(
    host: &str,
    addresses: &[IpAddr],
    is_for_the_world: bool,
    is_own: impl Fn(IpAddr) -> bool,
) -> Vec<Finding> {
    const RECORDS: &str = "`doctor --dns-records` prints the records to set at your DNS provider.";
    if addresses.is_empty() {
        return vec![Finding::failure(format!("{host} has no A and no AAAA record"), RECORDS)];
    }
    let (own, others): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().copied().partition(|address| is_own(*address));
    let mut findings = Vec::new();
    if !own.is_empty() {
        findings.push(Finding::good(format!("{host} leads to this machine: {}", listed(&own))));
    }
    for address in addresses.iter().filter(|address| is_for_the_world && !is_public(**address)) {
        findings.push(Finding::warning(
            format!("{host} leads to {address}, which the world cannot reach"),
            "Set the public address of this machine, unless the site is for a private network.",
        ));
    }
    let others: Vec<IpAddr> = others.into_iter().filter(|address| is_public(*address)).collect();
    let has_own = |is_v4: bool| own.iter().any(|address| address.is_ipv4() == is_v4);
    // Where this machine has one address of a kind in the name, another one of that kind is hardly a NAT's.
    let (stray, before): (Vec<IpAddr>, Vec<IpAddr>) = others
        .into_iter()
        .partition(|address| has_own(address.is_ipv4()) || (address.is_ipv6() && has_own(true)));
    if !before.is_empty() {
        findings.push(Finding::good(format!(
            "{host} leads to {}, no address of this machine: a proxy or NAT stands before it (`this_server` says whether it leads here)",
            listed(&before)
        )));
    }
    if !stray.is_empty() {
        findings.push(Finding::warning(
            format!("{host} leads to this machine and also to {}, which is not this machine", listed(&stray)),
            format!("Remove the record that is left from before, unless another server of the site is there. {RECORDS}"),
        ));
    }
    findings
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::check::{Outcome, worst};
    use super::*;

    #[test]
    fn a_name_leads_here_to_a_proxy_or_astray() {
        let own =
            |address: IpAddr| ["198.18.0.1", "2600::1", "10.0.0.1"].contains(&address.to_string().as_str());
        for (addresses, outcome) in [
            (&["198.18.0.1"][..], Outcome::Good),
            (&["198.18.0.1", "2600::1"], Outcome::Good),
            // Behind the NAT of a cloud, which has one for IPv4 alone.
            (&["8.8.8.8", "2600::1"], Outcome::Good),
            (&["8.8.8.8"], Outcome::Good),
            (&[], Outcome::Failure),
            (&["198.18.0.1", "2600::2"], Outcome::Warning),
            (&["198.18.0.1", "8.8.8.8"], Outcome::Warning),
            (&["10.0.0.1"], Outcome::Warning),
        ] {
            let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
            let findings = judge("example.com", &addresses, true, own);
            assert_eq!(worst(&findings), outcome, "{addresses:?}: {findings:?}");
        }
    }
}
