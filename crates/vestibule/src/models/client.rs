use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longer ones are cut: no browser's is, and what a stranger sends must not fill the database.
const MAX_USER_AGENT_BYTES: usize = 512;
/// The well-known prefix of NAT64, 96 bits.
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// Where a request comes from, as far as one can know. It is told to people and written down; it decides nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    ip: Option<IpAddr>,
    user_agent: Option<String>,
}

impl Client {
    /// A client at an address, with the `User-Agent` it sent. Control characters become spaces and the text is
    /// cut at 512 bytes, so that it can be shown and logged as it is.
    pub fn new(ip: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let user_agent = user_agent.map(printable).filter(|text| !text.is_empty());
        Self { ip: ip.map(canonical), user_agent }
    }

    /// The address, if known.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The network that the address stands for, as a name: the address itself, or the /64 that a household or a machine
    /// is given of IPv6.
    pub fn network(&self) -> Option<String> {
        self.ip.map(|ip| match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }

    /// What the client says it is.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }
}

/// One spelling of an address. One of IPv4 stays one where it comes as one of IPv6: mapped (`::ffff:192.0.2.1`), or translated by
/// NAT64 (`64:ff9b::192.0.2.1`, RFC 6052). All of those share a /64, and would share one bucket.
fn canonical(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) if ip.segments()[..6] == NAT64 => {
            let [.., a, b, c, d] = ip.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        ip => ip,
    }
}

/// Programs by a word of their `User-Agent`. Each names itself after those that it resembles, so the rarer come first.
const PROGRAMS: [(&str, &str); 13] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Vivaldi", "Vivaldi"),
    ("DuckDuckGo", "DuckDuckGo"),
    ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
    ("Wget", "Wget"),
    ("python", "a Python program"),
];

/// Systems, in the same way.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "a Mac"),
    ("Mac OS X", "a Mac"),
    ("Linux", "Linux"),
];

impl Client {
    /// The device in words that people know, such as `Firefox on Windows`. They are our own words and never those of
    /// the `User-Agent`: that is a stranger's text, and it would stand in our mails.
    pub fn device_in_words(&self) -> String {
        let user_agent = self.user_agent().unwrap_or_default();
        let named = |table: &[(&str, &'static str)]| {
            table.iter().find(|(word, _)| user_agent.contains(word)).map(|(_, name)| *name)
        };
        match (named(&PROGRAMS), named(&SYSTEMS)) {
            (Some(program), Some(system)) => format!("{program} on {system}"),
            (Some(program), None) => program.to_owned(),
            (None, Some(system)) => format!("a program on {system}"),
            (None, None) => "an unknown device".to_owned(),
        }
    }

    /// The place, as far as the address alone tells it: `192.0.2.7`, `the local network (192.168.1.7)`.
    pub fn place_in_words(&self) -> String {
        let Some(ip) = self.ip else {
            return "an unknown address".to_owned();
        };
        let is_local = match ip {
            IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
        };
        if ip.is_loopback() {
            format!("this computer ({ip})")
        } else if is_local {
            format!("the local network ({ip})")
        } else {
            ip.to_string()
        }
    }
}

fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len().min(MAX_USER_AGENT_BYTES));
    for c in text.trim().chars() {
        if printable.len() + c.len_utf8() > MAX_USER_AGENT_BYTES {
            break;
        }
        printable.push(if c.is_control() { ' ' } else { c });
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_ipv4_that_come_as_ipv6_are_told_apart() {
        let network = |ip: &str| Client::new(ip.parse().ok(), None).network().unwrap();
        assert_eq!(network("64:ff9b::192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_ne!(network("64:ff9b::192.0.2.7"), network("64:ff9b::192.0.2.8"));
        // Not the prefix, though it looks like it: one that an operator chose is in the middle of anything.
        assert_eq!(network("64:ff9b:1::192.0.2.7"), "64:ff9b:1::/64");
    }

    #[test]
    fn a_user_agent_is_cut_and_cannot_break_a_line() {
        let long = "é".repeat(1000);
        assert!(Client::new(None, Some(&long)).user_agent().unwrap().len() <= MAX_USER_AGENT_BYTES);
        assert_eq!(Client::new(None, Some("a\r\nb")).user_agent(), Some("a  b"));
        assert_eq!(Client::new(None, Some("  ")).user_agent(), None);
    }

    #[test]
    fn a_mapped_address_is_the_address_itself() {
        let mapped = "::ffff:192.0.2.7".parse().unwrap();
        assert_eq!(Client::new(Some(mapped), None).ip(), Some("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn devices_are_told_in_words_of_our_own() {
        const CHROME: &str = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0";
        for (user_agent, told) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
                "Firefox on Windows",
            ),
            (&format!("Mozilla/5.0 (X11; Linux x86_64) {CHROME} Safari/537.36"), "Chrome on Linux"),
            (
                &format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/140.0"),
                "Edge on Windows",
            ),
            (
                &format!("Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36"),
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
                "Safari on an iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
                "Safari on a Mac",
            ),
            ("curl/8.9.1", "curl"),
            ("<a href=http://evil.test>click</a>", "an unknown device"),
            ("", "an unknown device"),
        ] {
            assert_eq!(Client::new(None, Some(user_agent)).device_in_words(), told, "{user_agent}");
        }
    }

    #[test]
    fn places_are_told_as_far_as_the_address_tells_them() {
        for (ip, told) in [
            ("127.0.0.1", "this computer (127.0.0.1)"),
            ("::1", "this computer (::1)"),
            ("192.168.1.7", "the local network (192.168.1.7)"),
            ("fd00::7", "the local network (fd00::7)"),
            ("fe80::7", "the local network (fe80::7)"),
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
        ] {
            assert_eq!(Client::new(ip.parse().ok(), None).place_in_words(), told);
        }
        assert_eq!(Client::default().place_in_words(), "an unknown address");
    }
}
