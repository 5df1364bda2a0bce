//! Ranges of addresses that are not globally reachable unicast.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// IPv4 networks that are not globally reachable unicast (IANA's special-purpose registry), and
/// those that are only reachable from inside some cloud.
pub(super) const DENIED_V4: [(Ipv4Net, &str); 18] = [
    (v4([0, 0, 0, 0], 8), "unspecified"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "shared (carrier-grade NAT)"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([168, 63, 129, 16], 32), "Azure's own"),
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "reserved"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 31, 196, 0], 24), "reserved"),
    (v4([192, 52, 193, 0], 24), "reserved"),
    (v4([192, 88, 99, 0], 24), "6to4 relay"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmarking"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([240, 0, 0, 0], 4), "reserved or broadcast"),
];

/// The global unicast addresses of IPv6. Outside of them are loopback, unique local, link-local,
/// site-local and multicast addresses, and those with an embedded IPv4 address.
pub(super) const GLOBAL_V6: Ipv6Net = v6([0x2000, 0], 3);

/// Networks in [`GLOBAL_V6`] that are not reachable, or that lead to an IPv4 address of the
/// caller's choice.
pub(super) const DENIED_V6: [(Ipv6Net, &str); 5] = [
    (v6([0x2001, 0], 32), "Teredo"),
    (v6([0x2001, 0], 23), "reserved"),
    (v6([0x2001, 0x0db8], 32), "documentation"),
    (v6([0x2002, 0], 16), "6to4"),
    (v6([0x3fff, 0], 20), "documentation"),
];

/// NAT64: the last four bytes are an IPv4 address. Hosts without IPv4 reach all IPv4 addresses this
/// way.
pub(super) const NAT64: Ipv6Net = v6([0x0064, 0xff9b], 96);

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6([a, b]: [u16; 2], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits)
}
