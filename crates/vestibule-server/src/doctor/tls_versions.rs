use async_trait::async_trait;
use rustls::version::{TLS12, TLS13};

use super::check::{Check, Finding};
use super::deployment::Deployment;
use super::old_tls::takes_tls_1_1;

/// Which versions of TLS the site speaks.
pub(super) struct TlsVersions;

#[async_trait]
impl Check for TlsVersions {
    fn name(&self) -> &'static str {
        "tls_versions"
    }

    fn about(&self) -> &'static str {
        "The site speaks TLS 1.3, and neither 1.1 nor 1.0"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let site = &deployment.site;
        if !site.is_https() {
            return vec![Finding::skipped("the public URL is plain http")];
        }
        let Ok(address) = site.first_address().await else {
            return vec![Finding::skipped("the site cannot be reached from here (see `reachable`)")];
        };
        let mut findings = Vec::new();
        let has_newest = site.shake_hands(address, &[&TLS13]).await.is_ok();
        if !has_newest && site.shake_hands(address, &[&TLS12]).await.is_err() {
            return vec![Finding::failure(
                "neither TLS 1.3 nor 1.2 is spoken",
                "See that what listens there speaks https for this host.",
            )];
        }
        if takes_tls_1_1(address, site.port(), site.host()).await == Some(true) {
            findings.push(Finding::warning(
                "TLS 1.1 or 1.0 is still taken, which is broken",
                "Allow TLS 1.2 and 1.3 alone: in nginx `ssl_protocols TLSv1.2 TLSv1.3;`.",
            ));
        }
        findings.push(if has_newest {
            Finding::good("TLS 1.3 is spoken")
        } else {
            Finding::warning("TLS 1.3 is not spoken", "Allow it: in nginx `ssl_protocols TLSv1.2 TLSv1.3;`.")
        });
        findings
    }
}
