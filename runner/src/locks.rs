//! The number of record locks that programs may hold.
//!
//! The kernel charges nobody for the locks of `fcntl(F_SETLK)` and bounds them nowhere
//! (CVE-2022-0480), but a database on a file needs a few. A filter cannot see what a call asks for,
//! since that lies in memory. So it asks PID 1, which lets the call through while few are held.
//! (`flock` is not asked about: an open file has one such lock at most.)

use std::fs::File;
use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::error::{Doing, Error};
use crate::sys;

/// The number of locks from which on further calls are refused.
const MOST: usize = 1024;
/// The number of calls after which the locks are counted again. Each makes two at most.
const UNCOUNTED: u32 = 512;

/// The calls of one run's programs that lock and unlock.
pub(crate) struct Locks {
    listener: OwnedFd,
    /// The number of calls before the locks are counted.
    left: u32,
}

impl Locks {
    /// Returns the descriptor to poll: readable when a call waits for its answer.
    pub(crate) fn calls(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Answers the call that waits.
    ///
    /// # Errors
    /// The kernel takes no answer. Without the listener it answers all such calls with "no such call".
    pub(crate) fn answer(&mut self) -> io::Result<()> {
        let call = match sys::receive_call(self.calls()) {
            // Its caller has just died, or gone to handle a signal.
            Err(error) if is_over(&error) => return Ok(()),
            call => call?,
        };
        if self.left == 0 && held().is_ok_and(|held| held < MOST) {
            self.left = UNCOUNTED;
        }
        let answer = if self.left > 0 {
            self.left -= 1;
            Ok(())
        } else {
            Err(libc::ENOLCK)
        };
        match sys::answer_call(self.calls(), call, answer) {
            Err(error) if is_over(&error) => Ok(()),
            answered => answered,
        }
    }
}

fn is_over(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR))
}

/// Counts the record locks of this container's processes.
fn held() -> io::Result<usize> {
    let mut count = 0;
    for line in BufReader::new(File::open("/proc/locks")?).lines() {
        count += usize::from(line?.contains(" POSIX "));
    }
    Ok(count)
}

/// The way by which a new process hands the listener over, before it becomes a program.
pub(crate) struct Handover {
    here: UnixStream,
    there: UnixStream,
}

impl Handover {
    pub(crate) fn prepare() -> Result<Self, Error> {
        let (here, there) = UnixStream::pair().doing("making a socket pair")?;
        here.set_nonblocking(true).doing("making a socket pair")?;
        Ok(Self { here, there })
    }

    /// Sends the listener to PID 1. Safe between fork and exec.
    pub(crate) fn send(&self, listener: &OwnedFd) {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut message = SendAncillaryBuffer::new(&mut space);
        let rights = [listener.as_fd()];
        message.push(SendAncillaryMessage::ScmRights(&rights));
        // It fails if an earlier program has too many descriptors in flight. Then locks are answered
        // with "no such call", which is no reason to run nothing.
        let _ = sendmsg(
            &self.there,
            &[IoSlice::new(b"x")],
            &mut message,
            SendFlags::empty(),
        );
    }

    /// Receives what a process that is a program by now has sent, if anything.
    pub(crate) fn receive(&self) -> Option<Locks> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut message = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut into = [IoSliceMut::new(&mut byte)];
        recvmsg(&self.here, &mut into, &mut message, RecvFlags::CMSG_CLOEXEC).ok()?;
        let listener = message.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
            _ => None,
        })?;
        Some(Locks { listener, left: 0 })
    }
}
