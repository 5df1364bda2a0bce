//! One network namespace: made, entered by descriptor, looked at.

#![expect(
    unsafe_code,
    reason = "unsharing a namespace and setting a device's flags have no safe interface"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::audit::Contents;
use super::error::Error;

/// The namespace of this thread, below `/proc`.
const OWN: &str = "thread-self/ns/net";

/// A network namespace with nothing but a loopback device, which is up. It belongs to one sandbox at
/// a time, because it can be neither copied nor taken twice.
#[derive(Debug)]
pub struct Namespace {
    fd: OwnedFd,
    /// The contents that a new one has.
    first: Contents,
    /// The sandboxes that it has served.
    pub(super) uses: u32,
    pub(super) made: Instant,
}

impl Namespace {
    /// Returns the descriptor that a process enters it by (`setns` with `CLONE_NEWNET`).
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The thread's own place, from where it makes namespaces and looks into them.
#[derive(Debug)]
pub(super) struct Station {
    proc: OwnedFd,
    own: OwnedFd,
}

impl Station {
    pub(super) fn open() -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc =
            rustix::fs::open("/proc", flags, Mode::empty()).map_err(|errno| Error::Proc {
                file: ".",
                source: errno.into(),
            })?;
        let own = open_own(&proc)?;
        Ok(Self { proc, own })
    }

    /// Makes a namespace, and returns to the thread's own.
    pub(super) fn make(&self) -> Result<Namespace, Error> {
        // SAFETY: only the thread's network namespace changes, none of its memory or descriptors.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
            .map_err(|errno| Error::Make(errno.into()))?;
        let made = self.furnish();
        self.go_home()?;
        made
    }

    /// Returns whether a namespace is as it was when it was made.
    ///
    /// # Errors
    ///
    /// [`Error::Stranded`]. One that cannot be looked into is not as it was.
    pub(super) fn is_as_new(&self, namespace: &Namespace) -> Result<bool, Error> {
        let network = Some(LinkNameSpaceType::Network);
        if rustix::thread::move_into_link_name_space(namespace.fd.as_fd(), network).is_err() {
            return Ok(false);
        }
        let seen = Contents::read(&self.proc);
        self.go_home()?;
        Ok(seen.is_ok_and(|seen| seen == namespace.first))
    }

    fn furnish(&self) -> Result<Namespace, Error> {
        bring_up_loopback().map_err(Error::Loopback)?;
        Ok(Namespace {
            fd: open_own(&self.proc)?,
            first: Contents::read(&self.proc)?,
            uses: 0,
            made: Instant::now(),
        })
    }

    fn go_home(&self) -> Result<(), Error> {
        let network = Some(LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(self.own.as_fd(), network)
            .map_err(|errno| Error::Stranded(errno.into()))
    }
}

fn open_own(proc: &OwnedFd) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(proc, OWN, flags, Mode::empty()).map_err(|errno| Error::Proc {
        file: OWN,
        source: errno.into(),
    })
}

/// Brings up `lo` in the namespace of this thread. Programs that serve and ask themselves need it.
///
/// # Errors
///
/// If the thread has no CAP_NET_ADMIN over its namespace.
pub fn bring_up_loopback() -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    // SAFETY: a request of zeros is a valid one, of an empty name.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo\0") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags =
        libc::c_short::try_from(libc::IFF_UP).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open, and the call reads one `ifreq`, which outlives it.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
