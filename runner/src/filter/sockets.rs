//! The sockets that a program may make, and the options that it may set.

use super::conditions::{is, none_of};
use super::tables::Rules;

/// The families of sockets that programs may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sockets {
    /// Local ones only.
    Local,
    /// Internet ones, too, which find no network but the container's own loopback.
    Internet,
}

impl Sockets {
    fn families(self) -> &'static [i32] {
        match self {
            Self::Local => &[libc::AF_UNIX],
            Self::Internet => &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6],
        }
    }
}

/// The options that Python's and Node's libraries set, by level. Everything else is refused: other
/// options take programs for the kernel (`SO_ATTACH_FILTER`), load its modules (`TCP_ULP`,
/// `TCP_CONGESTION`), or hold lists in memory that no container is charged for (multicast groups).
const OPTIONS: [(i32, &[i32]); 4] = [
    (
        libc::SOL_SOCKET,
        &[
            libc::SO_REUSEADDR,
            libc::SO_BROADCAST,
            libc::SO_SNDBUF,
            libc::SO_RCVBUF,
            libc::SO_KEEPALIVE,
            libc::SO_OOBINLINE,
            libc::SO_LINGER,
            libc::SO_REUSEPORT,
            libc::SO_PASSCRED,
            libc::SO_RCVLOWAT,
            libc::SO_RCVTIMEO,
            libc::SO_SNDTIMEO,
        ],
    ),
    (
        libc::IPPROTO_IP,
        &[
            libc::IP_TOS,
            libc::IP_TTL,
            libc::IP_MULTICAST_IF,
            libc::IP_MULTICAST_TTL,
            libc::IP_MULTICAST_LOOP,
        ],
    ),
    (
        libc::IPPROTO_IPV6,
        &[
            libc::IPV6_UNICAST_HOPS,
            libc::IPV6_MULTICAST_IF,
            libc::IPV6_MULTICAST_HOPS,
            libc::IPV6_MULTICAST_LOOP,
            libc::IPV6_V6ONLY,
            libc::IPV6_TCLASS,
        ],
    ),
    (
        libc::IPPROTO_TCP,
        &[
            libc::TCP_NODELAY,
            libc::TCP_CORK,
            libc::TCP_KEEPIDLE,
            libc::TCP_KEEPINTVL,
            libc::TCP_KEEPCNT,
            libc::TCP_QUICKACK,
            libc::TCP_USER_TIMEOUT,
        ],
    ),
];

/// Refuses sockets of other families: the kernel has dozens, loaded on demand.
pub(super) fn families(sockets: Sockets) -> Rules {
    Rules::from([
        (libc::SYS_socket, vec![none_of(0, sockets.families())]),
        (libc::SYS_socketpair, vec![none_of(0, &[libc::AF_UNIX])]),
    ])
}

/// Refuses internet sockets other than TCP and UDP.
pub(super) fn protocols() -> Rules {
    let mut conditions = none_of(0, &[libc::AF_UNIX]);
    conditions.extend(none_of(2, &[0, libc::IPPROTO_TCP, libc::IPPROTO_UDP]));
    Rules::from([(libc::SYS_socket, vec![conditions])])
}

/// Refuses all other options.
pub(super) fn options() -> Rules {
    let levels = OPTIONS.map(|(level, _)| level);
    let mut rules = vec![none_of(1, &levels)];
    for (level, known) in OPTIONS {
        let mut others = vec![is(1, level)];
        others.extend(none_of(2, known));
        rules.push(others);
    }
    Rules::from([(libc::SYS_setsockopt, rules)])
}
