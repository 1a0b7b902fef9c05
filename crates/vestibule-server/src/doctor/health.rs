use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;

/// Whether the server says of itself that it serves and is ready.
pub(super) struct Health;

#[async_trait]
impl Check for Health {
    fn name(&self) -> &'static str {
        "health"
    }

    fn about(&self) -> &'static str {
        "`/healthz` and `/readyz` answer 200 through the public URL"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for path in ["/healthz", "/readyz"] {
            let answer = match deployment.site.get(path, &[]).await {
                Ok(answer) => answer,
                Err(findings) => return findings,
            };
            let status = answer.status.as_u16();
            findings.push(if status == 200 {
                Finding::good(format!("{path} answers 200"))
            } else {
                let told: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
                Finding::failure(
                    format!("{path} answers {status}: {}", told.split_whitespace().collect::<Vec<_>>().join(" ")),
                    "502 to 504 are a proxy's that reaches no server: see that the server runs at VESTIBULE_LISTEN. A 503 of the server's own says what is not ready; 404 is not this program's.",
                )
            });
        }
        findings
    }
}
