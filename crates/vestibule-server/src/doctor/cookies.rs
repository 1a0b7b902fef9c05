use async_trait::async_trait;
use http::header::SET_COOKIE;
use vestibule_web::CookieNames;

use super::check::{Check, Finding};
use super::deployment::Deployment;

/// Whether cookies get to the server and back. A browser that shows two refresh cookies of one name gets all of its cookies
/// cleared, so that is asked for: it needs no account and changes nothing.
pub(super) struct Cookies;

#[async_trait]
impl Check for Cookies {
    fn name(&self) -> &'static str {
        "cookies"
    }

    fn about(&self) -> &'static str {
        "Cookies get to the server and back through all proxies, with their names and attributes (`__Host-`, `Secure`, `HttpOnly`, `SameSite`, `Path`, no `Domain`)"
    }

    async fn examine(&self, deployment: &Deployment<'_>) -> Vec<Finding> {
        const PATH: &str = "/api/auth/session";
        let names = CookieNames::new(deployment.site.is_https());
        let twice = format!("{0}=doctor-1; {0}=doctor-2", names.refresh);
        let answer = match deployment.site.get(PATH, &[("cookie", &twice)]).await {
            Ok(answer) => answer,
            Err(findings) => return findings,
        };
        if answer.status.as_u16() != 401 {
            return vec![Finding::failure(
                format!("{PATH} answers {} and not 401", answer.status.as_u16()),
                "See `health` and `this_server`.",
            )];
        }
        let set: Vec<&str> =
            answer.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()).collect();
        if set.is_empty() {
            return vec![Finding::failure(
                "no cookie comes back: the header Cookie is lost on the way to the server, or Set-Cookie on the way back. Nobody can log in",
                "Let the proxy pass both on: in nginx, remove `proxy_hide_header Set-Cookie`, `proxy_ignore_headers` and `proxy_set_header Cookie`.",
            )];
        }
        let expected = [(names.access, true), (names.refresh, true), (names.csrf, false)];
        let mut findings: Vec<Finding> = expected
            .iter()
            .filter_map(|(name, is_hidden)| {
                let problem = problem(&set, name, *is_hidden, deployment.site.is_https())?;
                Some(Finding::failure(
                    problem,
                    "Let the proxy change nothing about cookies: in nginx, remove `proxy_cookie_domain`, `proxy_cookie_path` and `proxy_cookie_flags`. See also that the running server has the same VESTIBULE_PUBLIC_URL.",
                ))
            })
            .collect();
        if !answer.header("cache-control").contains("no-store") {
            findings.push(Finding::failure(
                format!(
                    "an answer that sets cookies may be kept by caches (Cache-Control is {:?})",
                    answer.header("cache-control")
                ),
                "Let the proxy pass Cache-Control on.",
            ));
        }
        if findings.is_empty() {
            findings.push(Finding::good(format!("cookies get to the server and back: {}", names.refresh)));
        }
        findings
    }
}

/// What is wrong with a cookie as it arrives.
fn problem(set: &[&str], name: &str, is_hidden: bool, is_https: bool) -> Option<String> {
    let Some(cookie) = set.iter().find(|cookie| cookie.split('=').next() == Some(name)) else {
        return Some(format!("the cookie {name} does not come back"));
    };
    let attributes: Vec<String> =
        cookie.split(';').skip(1).map(|attribute| attribute.trim().to_ascii_lowercase()).collect();
    let has = |attribute: &str| attributes.iter().any(|each| each == attribute);
    if attributes.iter().any(|attribute| attribute.starts_with("domain")) {
        return Some(format!(
            "the cookie {name} comes back with a Domain, and no browser takes that with its name"
        ));
    }
    let expected = [("path=/", true), ("samesite=lax", true), ("httponly", is_hidden), ("secure", is_https)];
    let lost = expected.iter().find(|(attribute, is_expected)| *is_expected && !has(attribute));
    lost.map(|(attribute, _)| format!("the cookie {name} comes back without `{attribute}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_takes_from_a_cookie_is_named() {
        let good = "__Host-a=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure";
        assert_eq!(problem(&[good], "__Host-a", true, true), None);
        for (cookie, word) in [
            (good.replace("; Secure", ""), "secure"),
            (good.replace("; HttpOnly", ""), "httponly"),
            (good.replace("Path=/", "Path=/app"), "path=/"),
            (good.replace("Lax", "None"), "samesite"),
            (format!("{good}; Domain=example.com"), "Domain"),
            (good.replace("__Host-a", "a"), "does not come back"),
        ] {
            let told = problem(&[&cookie], "__Host-a", true, true).unwrap();
            assert!(told.contains(word), "{cookie}: {told}");
        }
    }
}
