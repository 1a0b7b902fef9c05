use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::str::FromStr;

use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::{IpNet, Ipv4Net};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The prefix under which IPv4 addresses stand among those of IPv6: `::ffff:192.0.2.1` is 96 bits and an address.
const MAPPED_PREFIX: u8 = 96;

/// The reverse proxies whose word is taken for where a request comes from.
///
/// Anybody can send `X-Forwarded-For`. It is read only where the socket's own peer is one of these, and then from the
/// right: the last entry was written by that peer, the one before it by the peer's peer, and so on for as long as each
/// is trusted. The first that is not is the client. What stands left of it is the client's own claim, and is never
/// looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether an address is that of a trusted proxy.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The address that a request comes from; `None` where the proxies do not say it, or in a form that cannot be read.
    /// Then accounts alone are counted: the proxy's own address would be one bucket for everybody behind it.
    ///
    /// `X-Forwarded-For` goes before `Forwarded`, whether or not they agree: most proxies write the former and let a
    /// stranger's `Forwarded` pass. To take a contradiction for "unknown" would hand everybody a way out of the limits of
    /// their address.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return Some(peer);
        }
        if headers.contains_key(X_FORWARDED_FOR) {
            return self.walk(entries(headers, &X_FORWARDED_FOR).map(address_of_entry));
        }
        self.walk(entries(headers, &FORWARDED).map(address_of_element))
    }

    /// Whether something that is not trusted handed a request on, and says so: then the socket's peer is a proxy whose word is
    /// not taken, and nobody knows who asks.
    pub(crate) fn is_handed_on_by_others(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        !self.contains(peer) && (headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED))
    }

    /// Goes from hop to hop, the nearest first, past those that are trusted. An entry that cannot be read ends it: what
    /// is beyond could be anybody's.
    fn walk(&self, hops: impl Iterator<Item = Option<IpAddr>>) -> Option<IpAddr> {
        let mut farthest = None;
        for hop in hops {
            let ip = hop?.to_canonical();
            if !self.contains(ip) {
                return Some(ip);
            }
            farthest = Some(ip);
        }
        farthest
    }
}

/// The entries of a header from right to left. Several lines are one list (RFC 9110, 5.3), and empty entries are none.
fn entries<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    lines
        .into_iter()
        .rev()
        .flat_map(|line| FromTheRight(Some(line.as_bytes())))
        .filter(|entry| !entry.is_empty())
}

/// The entries of one line. Commas within quotes separate nothing; quotes are counted from the right too, so a stranger's
/// quote that is never closed, further left, swallows nothing that a proxy wrote.
struct FromTheRight<'a>(Option<&'a [u8]>);

impl<'a> Iterator for FromTheRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0.take()?;
        let mut is_quoted = false;
        for (position, byte) in rest.iter().enumerate().rev() {
            match byte {
                b'"' if !is_escaped(&rest[..position]) => is_quoted = !is_quoted,
                b',' if !is_quoted => {
                    self.0 = Some(&rest[..position]);
                    return Some(rest[position + 1..].trim_ascii());
                }
                _ => {}
            }
        }
        Some(rest.trim_ascii())
    }
}

/// Whether what follows stands behind an odd number of backslashes.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// `192.0.2.1`, `2001:db8::1`, and what some proxies write: `192.0.2.1:4711`, `[2001:db8::1]:4711`, `[2001:db8::1]`.
pub(crate) fn address_of_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    address_of_node(text)
}

/// The `for` of an element of `Forwarded` (RFC 7239): `for=192.0.2.1;proto=https`, `for="[2001:db8::1]:4711"`. One that is
/// `unknown`, or a name that means something to the proxy alone, is no address.
fn address_of_element(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?;
    let mut found = None;
    for pair in text.split(';') {
        let (name, value) = pair.split_once('=')?;
        if !name.trim_ascii().eq_ignore_ascii_case("for") {
            continue;
        }
        // Twice is not for us to choose from.
        if found.is_some() {
            return None;
        }
        let value = value.trim_ascii();
        let node = match value.strip_prefix('"') {
            Some(rest) => address_of_node(rest.strip_suffix('"')?)?,
            // Colons and brackets are no part of a token: without quotes there is an address of IPv4 and no port.
            None => IpAddr::V4(value.parse::<Ipv4Addr>().ok()?),
        };
        found = Some(node);
    }
    found
}

/// An address with or without a port, that of IPv6 in brackets.
fn address_of_node(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Some(ip.into());
    }
    if let Ok(address) = text.parse::<SocketAddrV4>() {
        return Some((*address.ip()).into());
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse().ok().map(IpAddr::V6);
    }
    match text.parse::<SocketAddr>() {
        // A zone (`%eth0`) means something to one machine alone.
        Ok(SocketAddr::V6(address)) if address.scope_id() == 0 => Some((*address.ip()).into()),
        _ => None,
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// Networks (`10.0.0.0/8`) and single addresses, separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut networks = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let network = match (entry.parse::<IpNet>(), entry.parse::<IpAddr>()) {
                (Ok(network), _) => network,
                (_, Ok(ip)) => IpNet::from(ip),
                _ => return Err(format!("`{entry}` is no network such as 10.0.0.0/8 and no address")),
            };
            if network.prefix_len() == 0 {
                return Err(format!("`{entry}` is everybody: then everybody can claim any address"));
            }
            networks.push(canonical(network));
        }
        Ok(Self(networks))
    }
}

/// A network of mapped addresses is the one of IPv4 that it means.
fn canonical(network: IpNet) -> IpNet {
    if let IpNet::V6(mapped) = network
        && let Some(ip) = mapped.addr().to_ipv4_mapped()
        && let Some(prefix) = mapped.prefix_len().checked_sub(MAPPED_PREFIX)
        && let Ok(network) = Ipv4Net::new(ip, prefix)
    {
        return network.into();
    }
    network
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&networks.join(","))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        lines.iter().map(line).collect()
    }

    /// Where a request comes from that a proxy at 10.0.0.1 hands on.
    fn told(lines: &[(&str, &str)]) -> Option<String> {
        let proxies: TrustedProxies = "10.0.0.0/8, 2001:db8:ffff::/48, 127.0.0.1".parse().unwrap();
        proxies.client_address(ip("10.0.0.1"), &headers(lines)).map(|ip| ip.to_string())
    }

    const XFF: &str = "x-forwarded-for";

    #[test]
    fn who_is_no_proxy_is_where_the_socket_says() {
        let lines = headers(&[(XFF, "203.0.113.9"), ("forwarded", "for=203.0.113.9")]);
        let proxies: TrustedProxies = "10.0.0.0/8".parse().unwrap();
        for (peer, expected) in
            [("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("::1", "::1")]
        {
            assert_eq!(proxies.client_address(ip(peer), &lines), Some(ip(expected)));
            assert_eq!(TrustedProxies::default().client_address(ip(peer), &lines), Some(ip(expected)));
        }
    }

    #[test]
    fn the_list_is_walked_from_the_right_past_trusted_hops() {
        for (list, expected) in [
            ("203.0.113.9", Some("203.0.113.9")),
            ("198.51.100.1, 203.0.113.9", Some("203.0.113.9")),
            ("198.51.100.1, 203.0.113.9, 10.0.0.2, 10.9.9.9", Some("203.0.113.9")),
            ("203.0.113.9,10.0.0.2,\t2001:db8:ffff::1 ", Some("203.0.113.9")),
            ("2001:db8::7", Some("2001:db8::7")),
            ("[2001:db8::7]:4711, 10.0.0.2:80", Some("2001:db8::7")),
            ("::ffff:203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.9, ::ffff:10.0.0.2", Some("203.0.113.9")),
            ("203.0.113.9,, ", Some("203.0.113.9")),
            ("10.0.0.3, 10.0.0.2", Some("10.0.0.3")),
            ("nonsense, 203.0.113.9", Some("203.0.113.9")),
            ("\"unclosed, 203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.9, nonsense", None),
            ("203.0.113.9, nonsense, 10.0.0.2", None),
            ("203.0.113.9, unknown", None),
            ("203.0.113.256", None),
            ("0xCB.0.113.9", None),
            ("fe80::1%eth0", None),
            ("[fe80::1%1]:80", None),
            ("", None),
        ] {
            assert_eq!(told(&[(XFF, list)]).as_deref(), expected, "{list}");
        }
        assert_eq!(told(&[]), None, "a proxy that says nothing is not the client");
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [(XFF, "198.51.100.1"), (XFF, "203.0.113.9, 10.0.0.3"), (XFF, "10.0.0.2")];
        assert_eq!(told(&lines).as_deref(), Some("203.0.113.9"));
        let lines = [("forwarded", "for=198.51.100.1"), ("forwarded", "for=203.0.113.9")];
        assert_eq!(told(&lines).as_deref(), Some("203.0.113.9"));
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_says() {
        for (list, expected) in [
            ("for=203.0.113.9", Some("203.0.113.9")),
            ("FOR=203.0.113.9;proto=https;by=10.0.0.1", Some("203.0.113.9")),
            ("proto=https; for=\"203.0.113.9:4711\"", Some("203.0.113.9")),
            ("for=\"[2001:db8::7]:4711\", for=10.0.0.2", Some("2001:db8::7")),
            ("for=\"[2001:db8::7]\"", Some("2001:db8::7")),
            ("for=203.0.113.9;host=\"a,b\", for=10.0.0.2", Some("203.0.113.9")),
            ("for=\", for=203.0.113.9", Some("203.0.113.9")),
            ("for=198.51.100.1;host=\"\\\", for=203.0.113.9", Some("203.0.113.9")),
            ("for=unknown", None),
            ("for=_hidden, for=10.0.0.2", None),
            ("for=203.0.113.9, for=unknown", None),
            ("for=2001:db8::7", None),
            ("for=[2001:db8::7]", None),
            ("for=203.0.113.9;for=203.0.113.10", None),
            ("proto=https", None),
            ("203.0.113.9", None),
        ] {
            assert_eq!(told(&[("forwarded", list)]).as_deref(), expected, "{list}");
        }
    }

    #[test]
    fn where_the_headers_disagree_x_forwarded_for_is_taken() {
        let lines = [("forwarded", "for=198.51.100.1"), (XFF, "203.0.113.9")];
        assert_eq!(told(&lines).as_deref(), Some("203.0.113.9"));
        assert_eq!(told(&[("forwarded", "for=198.51.100.1"), (XFF, "nonsense")]), None);
    }

    #[test]
    fn networks_are_written_as_people_write_them() {
        let proxies: TrustedProxies = "10.1.2.3/8, ::1,192.0.2.7, ::ffff:172.16.0.0/108,".parse().unwrap();
        for (address, is_trusted) in [
            ("10.255.0.1", true),
            ("::ffff:10.255.0.1", true),
            ("11.0.0.1", false),
            ("::1", true),
            ("::2", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("172.16.9.9", true),
            ("172.32.0.1", false),
        ] {
            assert_eq!(proxies.contains(ip(address)), is_trusted, "{address}");
        }
        assert!("".parse::<TrustedProxies>().unwrap().is_empty());
        for wrong in ["everybody", "0.0.0.0/0", "::/0", "10.0.0.0/33", "10.0.0.0/8 ::1", "example.com"] {
            assert!(wrong.parse::<TrustedProxies>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_claim_of_a_client_moves_the_address_that_the_proxy_wrote(
            claim in proptest::collection::vec(any::<u8>(), 0..60), xff in any::<bool>(), one_line in any::<bool>(),
        ) {
            let claim: Vec<u8> = claim.into_iter().filter(|byte| *byte >= b' ' && *byte != 127).collect();
            let (name, told) = if xff { (X_FORWARDED_FOR, "203.0.113.9") } else { (FORWARDED, "for=203.0.113.9") };
            let mut lines = HeaderMap::new();
            if one_line {
                let line = [&claim, &b", "[..], told.as_bytes()].concat();
                lines.append(name, HeaderValue::from_bytes(&line).unwrap());
            } else {
                lines.append(name.clone(), HeaderValue::from_bytes(&claim).unwrap());
                lines.append(name, HeaderValue::from_static(told));
            }
            let proxies: TrustedProxies = "10.0.0.0/8".parse().unwrap();
            prop_assert_eq!(proxies.client_address(ip("10.0.0.1"), &lines), Some(ip("203.0.113.9")));
        }

        #[test]
        fn nothing_that_is_sent_makes_it_fail_or_trust(
            line in proptest::collection::vec(any::<u8>(), 0..80), xff in any::<bool>(),
        ) {
            let line: Vec<u8> = line.into_iter().filter(|byte| *byte >= b' ' && *byte != 127).collect();
            let name = if xff { X_FORWARDED_FOR } else { FORWARDED };
            let lines = HeaderMap::from_iter([(name, HeaderValue::from_bytes(&line).unwrap())]);
            let proxies: TrustedProxies = "10.0.0.0/8".parse().unwrap();
            let stranger = ip("192.0.2.7");
            prop_assert_eq!(proxies.client_address(stranger, &lines), Some(stranger));
            let told = proxies.client_address(ip("10.0.0.1"), &lines);
            prop_assert!(told.is_none_or(|told| told == told.to_canonical()));
        }

        #[test]
        fn every_address_is_read_in_every_form(v4 in any::<u32>(), v6 in any::<u128>(), port in any::<u16>(), is_v4 in any::<bool>()) {
            let address = if is_v4 { IpAddr::from(v4.to_be_bytes()) } else { IpAddr::from(v6.to_be_bytes()) };
            let socket = SocketAddr::new(address, port).to_string();
            prop_assert_eq!(address_of_entry(address.to_string().as_bytes()), Some(address));
            prop_assert_eq!(address_of_entry(socket.as_bytes()), Some(address));
            prop_assert_eq!(address_of_element(format!("by=x;for=\"{socket}\"").as_bytes()), Some(address));
        }
    }
}
