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
        // As bytes, because a proxy appends to whatever its client sent: one byte that is no text must
        // not make the proxy's own entry unreadable.
        let hops = lines
            .rev()
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops.take(MAX_HOPS) {
            if !self.is_trusted(client) {
                break;
            }
            match address(hop) {
                Some(address) => client = address,
                None => break,
            }
        }
        client
    }

    /// Returns whether the peer at this address is such a proxy.
    pub(crate) fn is_trusted(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Parses one entry. Some proxies append the port, or set an IPv6 address in brackets.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry.trim_ascii()).ok()?;
    let inside = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let bare: Option<IpAddr> = inside.unwrap_or(text).parse().ok();
    let address = bare.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
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
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn client<T: AsRef<[u8]>>(trusted: &str, peer: &str, lines: &[T]) -> String {
        let proxies: TrustedProxies = trusted.parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                FORWARDED_FOR,
                HeaderValue::from_bytes(line.as_ref()).unwrap(),
            );
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
            (NEAR, "10.0.0.1", &["[2001:db8::9]"], "2001:db8::9"),
            (NEAR, "10.0.0.1", &["1.1.1.1", "", "192.0.2.1"], "192.0.2.1"),
            (NEAR, "10.0.0.1", &[",,192.0.2.1"], "192.0.2.1"),
            // What a trusted proxy itself has left unreadable says nothing, and nor does what a client
            // has put before it.
            (NEAR, "10.0.0.1", &["1.1.1.1, nonsense"], "10.0.0.1"),
            (NEAR, "10.0.0.1", &["1.1.1.1, "], "10.0.0.1"),
            (NEAR, "10.0.0.1", &["1.1.1.1", ""], "10.0.0.1"),
            (NEAR, "10.0.0.1", &["1.1.1.1, [[2001:db8::9]]"], "10.0.0.1"),
        ] {
            assert_eq!(client(trusted, peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_client_that_sends_bytes_that_are_no_text_is_not_taken_for_the_proxy() {
        let line = b"\xff, 192.0.2.1";
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &[line]), "192.0.2.1");
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_the_proxys_own_entry_counts(
            sent in prop::collection::vec(prop::collection::vec(0x20_u8..=0xff, 0..40), 0..4),
            appends: bool,
            number: u32,
        ) {
            let sent = sent.into_iter().map(|line| line.into_iter().filter(|byte| *byte != 0x7f));
            let mut lines: Vec<Vec<u8>> = sent.map(Iterator::collect).collect();
            // Public, so that no proxy is expected behind it.
            let seen = IpAddr::V4(Ipv4Addr::from_bits(number | 0xc000_0000));
            // A proxy appends to the last line (nginx) or adds a line (HAProxy).
            match lines.last_mut().filter(|_| appends) {
                Some(line) => line.extend(format!(", {seen}").bytes()),
                None => lines.push(seen.to_string().into()),
            }
            prop_assert_eq!(client("10.0.0.0/8", "10.0.0.1", &lines), seen.to_string());
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
