//! One network namespace: made, entered by descriptor, audited.

#![expect(
    unsafe_code,
    reason = "unsharing a namespace and setting a device's flags have no safe interface"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::audit::Audit;
use super::error::Error;

/// The namespace of this thread, below `/proc`.
const OWN: &str = "thread-self/ns/net";

/// A network namespace with nothing but a loopback device, which is up. It belongs to one sandbox at
/// a time, because it can be neither copied nor taken twice.
#[derive(Debug)]
pub struct Namespace {
    fd: OwnedFd,
    pub(super) audit: Audit,
    pub(super) uses: u32,
    pub(super) made: Instant,
}

impl Namespace {
    /// Returns the descriptor that a process enters it by (`setns` with `CLONE_NEWNET`).
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Makes one, and returns to the thread's own.
    pub(super) fn make(proc: &OwnedFd) -> Result<Self, Error> {
        let own = open(proc)?;
        // SAFETY: only the thread's network namespace changes, none of its memory or descriptors.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
            .map_err(|errno| Error::Make(errno.into()))?;
        let made = Self::of_this_thread(proc);
        let network = Some(LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(own.as_fd(), network)
            .map_err(|errno| Error::Stranded(errno.into()))?;
        made
    }

    fn of_this_thread(proc: &OwnedFd) -> Result<Self, Error> {
        bring_up_loopback().map_err(Error::Loopback)?;
        Ok(Self {
            fd: open(proc)?,
            audit: Audit::begin(proc)?,
            uses: 0,
            made: Instant::now(),
        })
    }
}

fn open(proc: &OwnedFd) -> Result<OwnedFd, Error> {
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
    let family = rustix::net::AddressFamily::INET;
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let kind = rustix::net::SocketType::DGRAM;
    let socket = rustix::net::socket_with(family, kind, flags, None)?;
    let up = libc::c_short::try_from(libc::IFF_UP).map_err(io::Error::other)?;
    // SAFETY: a request of zeros is a valid one, of an empty name.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo\0") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = up;
    // SAFETY: the descriptor is open, and the call reads one `ifreq`, which outlives it.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
