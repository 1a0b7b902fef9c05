use async_trait::async_trait;
use http::HeaderMap;

use super::check::{Check, Finding};
use super::deployment::Deployment;

/// By what caches tell that an answer is theirs.
const TELLING: [&str; 5] = ["x-cache", "cf-cache-status", "x-cache-status", "x-proxy-cache", "cache-status"];

/// Whether something on the way keeps answers: it would hand one person's page to another.
pub(super) struct Caching;

#[async_trait]
impl Check for Caching {
    fn name(&self) -> &'static str {
        "caching"
    }

    fn about(&self) -> &'static str {
        "No proxy or CDN keeps answers that are for one person: the same page asked for twice comes from the server twice"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        const WAY_OUT: &str = "Let the proxy or CDN cache nothing by itself, and honour `Cache-Control: private, no-store`: in nginx, remove `proxy_cache` and `proxy_ignore_headers` for this site.";
        for path in ["/log-in", "/api/auth/session"] {
            let mut ids = Vec::new();
            for _ in 0..2 {
                let answer = match deployment.site.get(path, &[]).await {
                    Ok(answer) => answer,
                    Err(findings) => return findings,
                };
                if let Some(sign) = sign_of_a_cache(&answer.headers) {
                    return vec![Finding::failure(
                        format!("{path} is answered by a cache ({sign})"),
                        WAY_OUT,
                    )];
                }
                ids.push(answer.header("x-request-id").to_owned());
            }
            if !ids[0].is_empty() && ids[0] == ids[1] {
                return vec![Finding::failure(
                    format!(
                        "{path} asked for twice was answered once: both answers have the X-Request-Id {}",
                        ids[0]
                    ),
                    WAY_OUT,
                )];
            }
        }
        vec![Finding::good("each answer comes from the server")]
    }
}

fn sign_of_a_cache(headers: &HeaderMap) -> Option<String> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(age) = value("age").filter(|age| age.trim() != "0") {
        return Some(format!("age: {age}"));
    }
    TELLING.iter().find_map(|name| {
        let told = value(name)?;
        let is_hit =
            told.to_ascii_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "hit");
        is_hit.then(|| format!("{name}: {told}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_known_by_what_they_add() {
        for (name, value, is_cache) in [
            ("age", "12", true),
            ("age", "0", false),
            ("x-cache", "HIT from proxy", true),
            ("x-cache", "MISS", false),
            ("cf-cache-status", "DYNAMIC", false),
            ("cf-cache-status", "HIT", true),
            ("cache-status", "edge; hit; ttl=30", true),
            ("x-whatever", "hit", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(sign_of_a_cache(&headers).is_some(), is_cache, "{name}: {value}");
        }
    }
}
