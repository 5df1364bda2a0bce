//! Failures of the launcher itself.

use std::io;
use std::path::PathBuf;

use crate::cgroup;
use crate::network;

/// A failure of the launcher, or of a template.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// The launcher's step, as in "dropping capabilities".
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A mount for a template failed.
    #[error("cannot mount {target}: {source}; {}", self.advice())]
    Mount {
        /// The directory or file that is mounted on.
        target: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It was not started by a worker.
    #[error(
        "descriptor 3 is no socket of a worker; this command is for workers alone, set WARREN_ENGINE=native"
    )]
    NoWorker,
    /// Something has started a thread already.
    #[error(
        "this process has {0} threads, and a launcher must have one; report this as a fault of Warren"
    )]
    Threads(usize),
    /// A root file system lacks something.
    #[error("the root file system {root} has no {path}; make it with `warren rootfs`")]
    Root {
        /// The directory.
        root: PathBuf,
        /// The missing path below it.
        path: &'static str,
    },
    /// Not enough users are free for its sandboxes.
    #[error(
        "no {wanted} of the users {first} to {last} are free together; end another launcher of this host, or ask for fewer sandboxes"
    )]
    NoUsers {
        /// The number of users that it needs.
        wanted: u32,
        /// The first user of all launchers.
        first: u32,
        /// The last one.
        last: u32,
    },
    /// The lock file for users cannot be used.
    #[error(
        "cannot lock users in {path}: {source}; the file must be readable and writable for the launcher"
    )]
    Lock {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The host gives its user no further users.
    #[error(
        "{path} gives user {user} no {wanted} subordinate ids; add a line such as `{user}:100000:65536`"
    )]
    NoSubordinates {
        /// `/etc/subuid` or `/etc/subgid`.
        path: &'static str,
        /// The number of the user on the host.
        user: u32,
        /// The number of ids that are needed.
        wanted: u32,
    },
    /// The user namespace's maps cannot be written.
    #[error(
        "cannot map users into the launcher's namespace: {0}; install newuidmap and newgidmap (package uidmap), or start it as root"
    )]
    Map(String),
    /// Root's rights were asked for, but are not there.
    #[error(
        "cannot act as the host's root: this process is not root; start it as root, or use --rights rootless"
    )]
    NotRoot,
    /// Control groups.
    #[error(transparent)]
    Groups(#[from] cgroup::Error),
    /// Network namespaces.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// A message on a socket.
    #[error("the socket of the worker broke: {0}; all sandboxes end")]
    Socket(#[source] io::Error),
    /// A message that is not one.
    #[error("a message on the worker's socket is not understood: {0}; all sandboxes end")]
    Message(#[from] postcard::Error),
    /// A template ended by itself.
    #[error(
        "the template of {0} has ended; ending all others, since the kernel has ended its sandboxes"
    )]
    TemplateEnded(String),
}

impl Error {
    fn advice(&self) -> &'static str {
        match self {
            Self::Mount { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "in a container, /proc and /sys must not be masked (systempaths=unconfined) and mounts be allowed"
            }
            _ => "see the kernel's log",
        }
    }
}

/// An extension of results that names the launcher's step when a system call fails.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|error| Error::System {
            what,
            source: error.into(),
        })
    }
}
