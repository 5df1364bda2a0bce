//! Failures with network namespaces.

use std::io;

/// A failure with a network namespace.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of `/proc` cannot be opened or read.
    #[error("cannot read {file}: {source}; /proc must be mounted where the launcher starts")]
    Proc {
        /// The file's path below `/proc`.
        file: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel makes no network namespace.
    #[error(
        "cannot make a network namespace: {0}; raise user.max_net_namespaces, or give the launcher CAP_SYS_ADMIN"
    )]
    Make(#[source] io::Error),
    /// The loopback device does not come up.
    #[error("cannot bring up the loopback device of a network namespace: {0}")]
    Loopback(#[source] io::Error),
    /// The thread cannot leave the namespace that it has just made.
    #[error(
        "cannot return to the own network namespace: {0}; this process must end, since it is in a sandbox's"
    )]
    Stranded(#[source] io::Error),
}
