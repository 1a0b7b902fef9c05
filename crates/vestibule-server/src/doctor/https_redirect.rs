use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;

/// Whether who comes by plain http is sent to https.
pub(super) struct HttpsRedirect;

#[async_trait]
impl Check for HttpsRedirect {
    fn name(&self) -> &'static str {
        "https_redirect"
    }

    fn about(&self) -> &'static str {
        "Plain http leads to https at the same host, and serves nothing itself"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let (site, port) = (&deployment.site, deployment.options.http_port);
        if !site.is_https() {
            return vec![Finding::skipped("the public URL is plain http")];
        }
        if site.port() != 443 && port == 80 {
            return vec![Finding::skipped(
                "the public URL has a port of its own; --http-port says where plain http is answered",
            )];
        }
        let Ok(address) = site.first_address().await else {
            return vec![Finding::skipped("the site cannot be reached from here (see `reachable`)")];
        };
        let answer = match site.get_plain(address, port).await {
            Ok(answer) => answer,
            Err(problem) => return vec![Finding::skipped(format!("plain http is not answered: {problem}"))],
        };
        let (status, target) = (answer.status, answer.header("location"));
        let origin = deployment.settings.public_url.origin();
        let leads_here =
            target.strip_prefix(&origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        vec![if status.is_redirection() && leads_here {
            Finding::good(format!("plain http leads to {origin} ({})", status.as_u16()))
        } else if status.is_redirection() {
            Finding::warning(
                format!("plain http leads to {target:?}, and not to {origin}"),
                "Let it lead to the public URL with the same path, by 301 or 308.",
            )
        } else if status.is_success() {
            Finding::failure(
                "plain http is served: passwords typed there can be read on the way",
                format!("Let the proxy answer it with a redirect (301 or 308) to {origin}."),
            )
        } else {
            Finding::warning(
                format!(
                    "plain http is answered with {}: who types the address without https sees that",
                    status.as_u16()
                ),
                format!("Let it lead to {origin}, by 301 or 308."),
            )
        }]
    }
}
