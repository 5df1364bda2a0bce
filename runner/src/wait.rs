//! Waits for descriptors, each time until a given moment.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::{Doing, Error};

/// Waits for the descriptor, until a moment.
pub(crate) fn wait(fd: BorrowedFd<'_>, events: PollFlags, until: Instant) -> Result<(), Error> {
    wait_any(&mut [PollFd::from_borrowed_fd(fd, events)], until)
}

/// Waits for any of the descriptors, until a moment.
pub(crate) fn wait_any(fds: &mut [PollFd<'_>], until: Instant) -> Result<(), Error> {
    let left = until.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(left).unwrap_or(Timespec {
        tv_sec: i64::MAX,
        tv_nsec: 0,
    });
    match poll(fds, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error).doing("waiting for events"),
    }
}
