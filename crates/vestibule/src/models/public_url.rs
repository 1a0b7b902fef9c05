use std::fmt;
use std::net::Ipv4Addr;

use url::{Host, Url};

/// The address under which people reach the site (`VESTIBULE_PUBLIC_URL`): scheme, host and port.
///
/// Links, the attributes of cookies, the origin that requests must come from and the issuer of access tokens
/// are made from it alone. The `Host` header of a request never is: it is the sender's to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Url);

/// Why a text is not taken for the public URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// No URL at all.
    #[error("it is not a URL such as https://example.com ({0})")]
    Malformed(String),
    /// Another scheme than http or https.
    #[error("its scheme must be https, or http on localhost or a private network")]
    Scheme,
    /// A path, a query, a fragment, or a user.
    #[error("it must be scheme, host and port only, such as https://example.com")]
    NotAnOrigin,
    /// Plain http on a public host: cookies and passwords would be readable on the way.
    #[error("plain http is for localhost and private networks only; use https")]
    PlainHttp,
}

impl PublicUrl {
    /// Reads the setting.
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let url = Url::parse(text.trim()).map_err(|error| PublicUrlError::Malformed(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(PublicUrlError::Scheme);
        }
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(PublicUrlError::NotAnOrigin);
        }
        let url = Self(url);
        if !url.is_https() && !url.is_loopback() && !url.is_private() {
            return Err(PublicUrlError::PlainHttp);
        }
        Ok(url)
    }

    /// Scheme, host and port, as a browser writes them in `Origin`: `https://example.com`.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The host alone, without a port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The address of a path of this site. The path begins with a slash.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// Whether the site is on https.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether the site can be reached from this machine only.
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }

    /// Whether its host is one of a private network: a private address, a name without a dot, or one that no public name
    /// server knows (RFC 6761, 6762, 8375 and ICANN's `internal`).
    fn is_private(&self) -> bool {
        const PRIVATE_NAMES: [&str; 4] = [".test", ".local", ".internal", ".home.arpa"];
        match self.0.host() {
            Some(Host::Domain(name)) => {
                !name.contains('.') || PRIVATE_NAMES.iter().any(|ending| name.ends_with(ending))
            }
            Some(Host::Ipv4(ip)) => is_private_v4(ip),
            Some(Host::Ipv6(ip)) => match ip.to_ipv4_mapped() {
                Some(ip) => is_private_v4(ip),
                None => ip.is_unique_local() || ip.is_unicast_link_local(),
            },
            None => false,
        }
    }
}

/// RFC 1918, link-local addresses (RFC 3927), and those that carriers and private overlays share (RFC 6598).
fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    let is_shared = first == 100 && second & 0b1100_0000 == 64;
    ip.is_private() || ip.is_link_local() || ip.is_loopback() || is_shared
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_and_written_as_browsers_do() {
        for (text, origin) in [
            ("https://example.com", "https://example.com"),
            (" https://Example.com:443/ ", "https://example.com"),
            ("https://example.com:8443", "https://example.com:8443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://shop.localhost", "http://shop.localhost"),
            ("http://192.168.1.5:3000", "http://192.168.1.5:3000"),
            ("http://10.0.0.1", "http://10.0.0.1"),
            ("http://100.100.1.2", "http://100.100.1.2"),
            ("http://[fd00::1]:3000", "http://[fd00::1]:3000"),
            ("http://accounts:3000", "http://accounts:3000"),
            ("http://site.internal", "http://site.internal"),
            ("http://site.test", "http://site.test"),
            ("http://pi.local", "http://pi.local"),
        ] {
            assert_eq!(PublicUrl::parse(text).unwrap().origin(), origin);
        }
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for (text, expected) in [
            ("ftp://example.com", PublicUrlError::Scheme),
            ("https://example.com/app", PublicUrlError::NotAnOrigin),
            ("https://user@example.com", PublicUrlError::NotAnOrigin),
            ("https://example.com/?a=b", PublicUrlError::NotAnOrigin),
            ("https://example.com/#top", PublicUrlError::NotAnOrigin),
            ("http://example.com", PublicUrlError::PlainHttp),
            ("http://localhost.example.com", PublicUrlError::PlainHttp),
            ("http://internal.example.com", PublicUrlError::PlainHttp),
            ("http://example.com.", PublicUrlError::PlainHttp),
            ("http://com.", PublicUrlError::PlainHttp),
            ("http://0.0.0.0:3000", PublicUrlError::PlainHttp),
            ("http://192.169.0.1", PublicUrlError::PlainHttp),
            ("http://100.128.0.1", PublicUrlError::PlainHttp),
            ("http://3232235777.example", PublicUrlError::PlainHttp),
            ("http://[2001:db8::1]", PublicUrlError::PlainHttp),
            ("http://[::ffff:192.0.2.1]", PublicUrlError::PlainHttp),
        ] {
            assert_eq!(PublicUrl::parse(text).unwrap_err(), expected, "{text}");
        }
        assert!(matches!(PublicUrl::parse("example.com"), Err(PublicUrlError::Malformed(_))));
    }
}
