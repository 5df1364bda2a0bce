//! Two files of a network namespace, by which a used one is told from an unused one.
//!
//! `/proc/self/net/dev` shows the devices and all that they carried; `/proc/self/net/unix` every Unix
//! socket. Their descriptors stay bound to the namespace in which they were opened, so the audit needs not
//! enter it. As long as the only device, lo, carried no packet and no process in it ever had
//! a capability, there can be no connection, no TIME_WAIT, no route, no address and no setting that
//! differs. `/proc/self/net/tcp` would show nothing more and takes 3.8 ms (ENGINE.md 4.5).

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::error::Error;

/// The files, below `/proc`. Those of the thread, since a namespace is a thread's.
const DEVICES: &str = "thread-self/net/dev";
const UNIX_SOCKETS: &str = "thread-self/net/unix";

/// The most bytes of a file. A new namespace has 450 in one and 60 in the other; one with more than this
/// has been used.
const MAX_FILE: usize = 2048;

/// The two files of one namespace, and their first contents.
#[derive(Debug)]
pub(super) struct Audit {
    devices: File,
    unix_sockets: File,
}

/// One of the files.
#[derive(Debug)]
struct File {
    fd: OwnedFd,
    first: Vec<u8>,
}

impl Audit {
    /// Opens the files of the namespace that this thread is in, and reads them for the first time.
    pub(super) fn begin(proc: &OwnedFd) -> Result<Self, Error> {
        Ok(Self {
            devices: File::open(proc, DEVICES)?,
            unix_sockets: File::open(proc, UNIX_SOCKETS)?,
        })
    }

    /// Returns whether both files are as they were, byte for byte.
    pub(super) fn is_as_new(&self) -> io::Result<bool> {
        Ok(self.devices.is_as_first()? && self.unix_sockets.is_as_first()?)
    }
}

impl File {
    fn open(proc: &OwnedFd, name: &'static str) -> Result<Self, Error> {
        let failed = |errno: Errno| Error::Proc {
            file: name,
            source: errno.into(),
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(proc, name, flags, Mode::empty()).map_err(failed)?;
        let mut text = [0; MAX_FILE];
        let len = read(&fd, &mut text).map_err(failed)?;
        if len == text.len() {
            let source = io::ErrorKind::FileTooLarge.into();
            return Err(Error::Proc { file: name, source });
        }
        Ok(Self {
            fd,
            first: text[..len].to_vec(),
        })
    }

    fn is_as_first(&self) -> io::Result<bool> {
        let mut text = [0; MAX_FILE];
        let len = read(&self.fd, &mut text)?;
        Ok(text[..len] == self.first)
    }
}

/// Reads from the beginning until the buffer is full or the file ends.
fn read(fd: &OwnedFd, buffer: &mut [u8]) -> rustix::io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match rustix::io::pread(fd, &mut buffer[len..], len as u64) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(len)
}
