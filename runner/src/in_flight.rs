//! Files that a program left in flight, over Unix sockets that no process holds.
//!
//! The kernel frees them when it looks for such cycles, which it does when a Unix socket is closed.

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;

/// The Unix sockets of the container's network, one a line below a heading.
const SOCKETS: &str = "/proc/self/net/unix";

/// A number of bytes that is more than the heading has.
const HEADING: u64 = 256;

/// Returns whether sockets are left. Meant for when no program is alive: PID 1 has none of its own.
pub(crate) fn is_anything() -> bool {
    let mut listed = String::new();
    // There may be very many, so only the first is looked at.
    File::open(SOCKETS)
        .and_then(|sockets| sockets.take(HEADING).read_to_string(&mut listed))
        .is_ok_and(|_| listed.lines().count() > 1)
}

/// Wakes the kernel's collector.
pub(crate) fn collect() {
    // Without memory for a pair of sockets there is nothing to do but to look again.
    drop(UnixStream::pair());
}
