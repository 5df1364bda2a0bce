//! The files by which a used network namespace is told from an unused one.
//!
//! A process without capabilities can leave more behind than a packet or a socket (found by reading every
//! file of `/proc/net` around 30 kinds of use, Linux 6.18):
//!
//! - a connection that finds no route is counted, without any packet (`snmp`, `snmp6`), and one of MPTCP
//!   even if it has no address (`netstat`);
//! - where the kernel counts look-ups of routes, so does any bound socket (`fib_triestat`);
//! - a connected IPv6 datagram socket changes a route's counts (`ipv6_route`, `rt6_stats`);
//! - an IPv6 flow label outlives its socket by 6 s or more (`ip6_flowlabel`);
//! - Unix sockets that hold one another stay until the kernel collects them (`unix`);
//! - joining or leaving a multicast group sends reports, the first after two or three ticks of the clock
//!   (`dev`), when its process may be gone. Hence [`super::REST`].
//!
//! `/proc/net/tcp` and `udp` would show nothing more, and take milliseconds.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::error::Error;

/// The files, below `/proc`: those of the thread, since a namespace is a thread's.
const FILES: [&str; 9] = [
    "thread-self/net/dev",
    "thread-self/net/unix",
    "thread-self/net/snmp",
    "thread-self/net/netstat",
    "thread-self/net/fib_triestat",
    "thread-self/net/snmp6",
    "thread-self/net/ipv6_route",
    "thread-self/net/rt6_stats",
    "thread-self/net/ip6_flowlabel",
];

/// The most bytes of all files. Those of a new namespace have 10,000; one with more than this has been
/// used.
const MAX_BYTES: usize = 64 * 1024;

/// The files' contents at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents(Vec<u8>);

impl Contents {
    /// Reads the files of the namespace that this thread is in. A file that the kernel does not have, such
    /// as one of IPv6, shows nothing.
    pub(super) fn read(proc: &OwnedFd) -> Result<Self, Error> {
        let mut bytes = vec![0; MAX_BYTES];
        let mut len = 0;
        for file in FILES {
            let failed = |errno: Errno| Error::Proc {
                file,
                source: errno.into(),
            };
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let fd = match rustix::fs::openat(proc, file, flags, Mode::empty()) {
                Err(Errno::NOENT) if file != FILES[0] => continue,
                other => other.map_err(failed)?,
            };
            loop {
                match rustix::io::read(&fd, &mut bytes[len..]) {
                    Ok(0) => break,
                    Ok(more) => len += more,
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(failed(errno)),
                }
            }
        }
        bytes.truncate(len);
        bytes.shrink_to_fit();
        Ok(Self(bytes))
    }
}
