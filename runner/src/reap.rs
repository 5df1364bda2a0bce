//! Ends processes and takes them off the process table, whoever their parent was: orphans fall
//! to PID 1.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::conversation::wait_any;
use crate::error::{Doing, Error};
use crate::sys::{self, Children};

/// How long killed processes may take to be gone. Killing is at once; what takes time is to get
/// a share of the CPU for dying when many have used up the container's quota.
const DYING: Duration = Duration::from_secs(2);

/// How often killing is repeated meanwhile.
const AGAIN: Duration = Duration::from_millis(20);

/// The processes of one run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How the program's first process ended, if it has.
    pub(crate) main: Option<ExitStatus>,
    /// CPU time of all that have ended. It misses children whose parent ignored their end.
    pub(crate) cpu: Duration,
    /// The most memory that any one of them held, in bytes.
    pub(crate) max_rss: u64,
}

/// Notices the end of processes.
pub(crate) struct Reaper {
    signals: OwnedFd,
}

impl Reaper {
    pub(crate) fn new() -> Result<Self, Error> {
        let signals = sys::child_signals().doing("watching for the end of processes")?;
        Ok(Self { signals })
    }

    /// What to poll: readable when some process has ended.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }

    /// Takes every ended process off the table. Returns whether any are still alive.
    pub(crate) fn collect(&self, main: u32, tally: &mut Tally) -> Result<bool, Error> {
        // Silences the bell before looking, so that none is missed.
        let mut bell = [0; 1024];
        let _ = rustix::io::read(&self.signals, &mut bell);
        loop {
            match sys::reap_one().doing("collecting an ended process")? {
                Children::Ended(reaped) => {
                    tally.cpu += reaped.cpu;
                    tally.max_rss = tally.max_rss.max(reaped.max_rss);
                    if reaped.pid == main && tally.main.is_none() {
                        tally.main = Some(reaped.status);
                    }
                }
                Children::Alive => return Ok(true),
                Children::None => return Ok(false),
            }
        }
    }

    /// Kills every process but this one and collects them all. Returns whether they are all gone:
    /// one that is stuck in the kernel may not be.
    pub(crate) fn end_all(&self, main: u32, tally: &mut Tally) -> Result<bool, Error> {
        let give_up = Instant::now() + DYING;
        loop {
            sys::kill_all();
            if !self.collect(main, tally)? {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= give_up {
                return Ok(false);
            }
            let bell = PollFd::from_borrowed_fd(self.bell(), PollFlags::IN);
            wait_any(&mut [bell], now + AGAIN)?;
        }
    }
}
