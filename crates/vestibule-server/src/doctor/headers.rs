use async_trait::async_trait;

use super::check::{Check, Finding};
use super::deployment::Deployment;

/// Half a year: what browsers ask for, and what the server sends is twice as long.
const SHORTEST_HSTS: u64 = 180 * 24 * 3600;
/// The server sends each of these with every answer. Where one is missing, something on the way took it.
const EXPECTED: [(&str, &str); 5] = [
    ("content-security-policy", "frame-ancestors"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", ""),
    ("cache-control", "no-store"),
    ("x-request-id", ""),
];

/// Whether the headers that protect pages arrive.
pub(super) struct Headers;

#[async_trait]
impl Check for Headers {
    fn name(&self) -> &'static str {
        "headers"
    }

    fn about(&self) -> &'static str {
        "The headers that protect pages arrive as the server sends them: HSTS, the policy for content, no caching, and others"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let answer = match deployment.site.get("/log-in", &[("accept", "text/html")]).await {
            Ok(answer) => answer,
            Err(findings) => return findings,
        };
        if !answer.status.is_success() {
            return vec![Finding::failure(
                format!("/log-in answers {}", answer.status.as_u16()),
                "See `health` and `this_server`.",
            )];
        }
        let mut findings: Vec<Finding> = EXPECTED
            .iter()
            .filter(|(name, word)| {
                !answer.headers.contains_key(*name) || !answer.header(name).contains(word)
            })
            .map(|(name, _)| {
                Finding::failure(
                    format!("{name} does not arrive as the server sends it (it is {:?})", answer.header(name)),
                    format!("Let the proxy pass {name} on: in nginx, remove `proxy_hide_header` and `add_header` of that name."),
                )
            })
            .collect();
        if deployment.site.is_https() {
            findings.extend(of_hsts(answer.header("strict-transport-security")));
        }
        if findings.is_empty() {
            findings.push(Finding::good("the headers that protect pages arrive"));
        }
        findings
    }
}

/// Where there are two, browsers take the first (RFC 6797, 8.1).
fn of_hsts(value: &str) -> Option<Finding> {
    let age = value.split(';').find_map(|part| {
        let (name, age) = part.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| age.trim_matches('"').parse::<u64>().ok())?
    });
    match age {
        Some(age) if age >= SHORTEST_HSTS => None,
        Some(age) => Some(Finding::warning(
            format!("Strict-Transport-Security holds for {} days only", age / 86400),
            "Let the proxy pass the server's own on, which holds for a year.",
        )),
        None => Some(Finding::failure(
            "Strict-Transport-Security does not arrive: who is between can keep a browser from https",
            "Let the proxy pass it on, and see that VESTIBULE_PUBLIC_URL of the running server is https.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn hsts_must_be_there_and_hold_for_half_a_year() {
        for (value, outcome) in [
            ("max-age=31536000", None),
            ("includeSubDomains; Max-Age=\"63072000\"; preload", None),
            ("max-age=300", Some(Outcome::Warning)),
            ("max-age=soon", Some(Outcome::Failure)),
            ("", Some(Outcome::Failure)),
        ] {
            assert_eq!(of_hsts(value).map(|finding| finding.outcome), outcome, "{value:?}");
        }
    }
}
