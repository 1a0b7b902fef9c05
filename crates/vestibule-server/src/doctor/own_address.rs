use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Whether an address is one of this machine's interfaces: a socket can be bound to those alone. Nothing is sent.
pub(super) fn is_of_this_machine(address: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}

/// The addresses from which this machine speaks to the world, as its routes say, where the world can reach them. Behind NAT
/// there are none. Nothing is sent: a datagram's socket only picks a route when it is connected.
pub(super) fn public_addresses() -> Vec<IpAddr> {
    const SOMEWHERE: [(IpAddr, IpAddr); 2] = [
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
    ];
    let own = SOMEWHERE.into_iter().filter_map(|(any, somewhere)| {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
        socket.connect(SocketAddr::new(somewhere, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    own.filter(|address| is_public(*address)).collect()
}

/// Whether the world can reach an address: it is of no private network, of no machine's own, and no example.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && second & 0b1100_0000 == 64;
            let is_special = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified();
            !(is_special || is_shared || ip.is_documentation() || ip.is_broadcast() || ip.is_multicast())
        }
        IpAddr::V6(ip) => {
            let is_documentation = ip.segments()[..2] == [0x2001, 0xdb8];
            let is_special = ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local();
            !(is_special || is_documentation || ip.is_unicast_link_local() || ip.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_world_are_told_from_private_ones() {
        for (address, expected) in [
            ("8.8.8.8", true),
            ("2606:4700::1", true),
            ("10.0.0.1", false),
            ("192.168.1.1", false),
            ("172.17.0.1", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("203.0.113.7", false),
            ("::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("::ffff:10.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn the_machines_own_addresses_are_known_by_binding_to_them() {
        assert!(is_of_this_machine(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(!is_of_this_machine("192.0.2.1".parse().unwrap()));
    }
}
