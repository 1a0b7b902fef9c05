use std::net::IpAddr;

/// Longer ones are cut: no browser's is, and what a stranger sends must not fill the database.
const MAX_USER_AGENT_BYTES: usize = 512;

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
        Self { ip: ip.map(|ip| ip.to_canonical()), user_agent }
    }

    /// The address, if known.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// What the client says it is.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
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
}
