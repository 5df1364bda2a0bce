//! Address of a client, also behind proxies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The most proxies in a row.
const MAX_HOPS: usize = 32;

/// The proxies that are trusted to report a client's address. Reports of anybody else are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Returns the address that a request comes from. Each proxy appends the address of its sender,
    /// so the list is read from its end, for as long as the sender is trusted. The client may have
    /// made up whatever is before that.
    pub(super) fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> IpAddr {
        // Without a connection (tests) there is no address.
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let mut client = peer.map_or(unknown, |peer| peer.ip().to_canonical());
        let lines = headers.get_all(FORWARDED_FOR).iter();
        let lines = lines.map(|line| line.to_str().unwrap_or_default());
        let lines: Vec<_> = lines.collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for hop in hops.take(MAX_HOPS) {
            if !self.has(client) {
                break;
            }
            match address(hop.trim()) {
                Some(address) => client = address,
                None => break,
            }
        }
        client
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Parses an address. Some proxies append the port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = bare.parse().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let networks = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        let networks = networks.map(|one| {
            let address = one.parse::<IpAddr>().map(IpNet::from);
            let network = one.parse::<IpNet>().or(address);
            network.map_err(|_invalid| {
                format!("{one:?} is neither an address nor a network, like 10.0.0.0/8 or 192.0.2.7")
            })
        });
        Ok(Self(networks.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, lines: &[&str]) -> String {
        let proxies: TrustedProxies = trusted.parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        proxies.client(Some(peer), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_listened_to() {
        const NEAR: &str = "10.0.0.0/8, 2001:db8::7";
        for (trusted, peer, lines, expected) in [
            ("", "192.0.2.1", &["198.51.100.9"][..], "192.0.2.1"),
            (NEAR, "192.0.2.1", &["198.51.100.9"], "192.0.2.1"),
            (NEAR, "10.0.0.1", &[], "10.0.0.1"),
            (NEAR, "10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            (NEAR, "::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            (NEAR, "2001:db8::7", &["2001:db8::9"], "2001:db8::9"),
            // The client's own entries come first.
            (NEAR, "10.0.0.1", &["1.1.1.1, 192.0.2.1"], "192.0.2.1"),
            (NEAR, "10.0.0.1", &["1.1.1.1", "192.0.2.1"], "192.0.2.1"),
            (
                NEAR,
                "10.0.0.1",
                &["1.1.1.1, 192.0.2.1, 10.9.9.9"],
                "192.0.2.1",
            ),
            (
                NEAR,
                "10.0.0.1",
                &["10.1.1.1, 192.0.2.1,10.2.2.2 "],
                "192.0.2.1",
            ),
            (NEAR, "10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            (NEAR, "10.0.0.1", &["[2001:db8::9]:4711"], "2001:db8::9"),
            (NEAR, "10.0.0.1", &["1.1.1.1, nonsense"], "10.0.0.1"),
            (NEAR, "10.0.0.1", &["1.1.1.1, "], "10.0.0.1"),
        ] {
            assert_eq!(client(trusted, peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn networks_are_addresses_or_prefixes() {
        assert!(
            "10.0.0.0/8,::1, 127.0.0.1"
                .parse::<TrustedProxies>()
                .is_ok()
        );
        for bad in ["proxy", "10.0.0.0/33", "10.0.0", "*"] {
            assert!(bad.parse::<TrustedProxies>().is_err(), "{bad}");
        }
    }
}
