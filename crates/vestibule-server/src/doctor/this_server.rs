use std::collections::BTreeSet;
use std::net::IpAddr;

use async_trait::async_trait;
use axum::body::Bytes;
use http::Method;

use super::check::{Check, Finding};
use super::deployment::{Deployment, unreadable};

const PATH: &str = "/.well-known/jwks.json";

/// Whether a server on this database answers at the public URL: it publishes the keys that are in it.
pub(super) struct ThisServer;

#[async_trait]
impl Check for ThisServer {
    fn name(&self) -> &'static str {
        "this_server"
    }

    fn about(&self) -> &'static str {
        "At each address of the host answers a server on this database: it publishes (`/.well-known/jwks.json`) keys that are in it"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        let site = &deployment.site;
        if let Err(problem) = site.first_address().await {
            return vec![Finding::skipped(format!("the site cannot be reached from here: {problem}"))];
        }
        let mut repository = match deployment.repository() {
            Ok(repository) => repository,
            Err(skipped) => return skipped,
        };
        let own: BTreeSet<String> = match repository.list_signing_keys().await {
            Ok(keys) => keys.into_iter().map(|key| key.kid).collect(),
            Err(error) => return unreadable(error),
        };
        let mut findings = Vec::new();
        for &address in site.addresses().as_deref().unwrap_or_default() {
            let answer = site.visit_at(address, Method::GET, PATH, &[], Bytes::new()).await;
            match answer {
                Ok(answer) => findings.push(judge(address, answer.status.as_u16(), &answer.body, &own)),
                Err(problem) if problem.contains("takes no connection") => {}
                Err(problem) => findings.push(Finding::failure(
                    format!("no answer at {address}: {problem}"),
                    "See that the server runs and that the proxy before it passes requests on to it.",
                )),
            }
        }
        findings
    }
}

fn judge(address: IpAddr, status: u16, body: &[u8], own: &BTreeSet<String>) -> Finding {
    let published = serde_json::from_slice::<serde_json::Value>(body).ok().and_then(|set| {
        let keys = set.get("keys")?.as_array()?.iter();
        let names: Option<BTreeSet<String>> =
            keys.map(|key| Some(key.get("kid")?.as_str()?.to_owned())).collect();
        names
    });
    match published {
        Some(published) if status == 200 && !published.is_disjoint(own) => {
            Finding::good(format!("a server on this database answers at {address}"))
        }
        Some(_) if status == 200 => Finding::failure(
            format!(
                "another server, or one on another database, answers at {address}: none of its keys is in this database"
            ),
            "Run this with the settings of the server (its folder, environment and user), or let the name and the proxy lead to the right one. A proxy that keeps answers may show old keys: see `caching`.",
        ),
        _ => Finding::failure(
            format!("{address} answers {PATH} with {status} and no keys: that is not this program"),
            "Let the proxy pass all paths on to the server, and the name lead to this proxy.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn a_server_with_other_keys_is_another_server() {
        let own = BTreeSet::from(["one".to_owned(), "two".to_owned()]);
        for (status, body, outcome) in [
            (200, r#"{"keys":[{"kid":"two"}]}"#, Outcome::Good),
            // A key was rotated a moment ago, and the server learns it within half a minute.
            (200, r#"{"keys":[{"kid":"one"},{"kid":"zero"}]}"#, Outcome::Good),
            (200, r#"{"keys":[{"kid":"three"}]}"#, Outcome::Failure),
            (200, r#"{"keys":[]}"#, Outcome::Failure),
            (404, "<h1>not found</h1>", Outcome::Failure),
            (502, r#"{"keys":[{"kid":"two"}]}"#, Outcome::Failure),
        ] {
            let finding = judge("192.0.2.1".parse().unwrap(), status, body.as_bytes(), &own);
            assert_eq!(finding.outcome, outcome, "{status} {body}");
        }
    }
}
