//! Waits for descriptors, each time until a given moment.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::{Doing, Error};

/// The pause before another try when the container has no memory left for a pipe's buffer.
const SHORT_OF_MEMORY: Duration = Duration::from_millis(1);

/// Waits a moment for the container's memory to be freed: poll does not see that there is none.
pub(crate) fn wait_for_memory() {
    std::thread::sleep(SHORT_OF_MEMORY);
}

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
