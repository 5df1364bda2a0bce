//! Ends processes and reaps them all, orphans included: those become children of PID 1.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::error::{Doing, Error};
use crate::sys::{self, Children};
use crate::wait::wait_any;

/// The longest time that killed processes may take to die. Killing is immediate; but a process
/// needs a share of the CPU to die, which takes time when many have used up the container's quota.
const DYING: Duration = Duration::from_secs(2);

/// The pause between two rounds of killing.
const AGAIN: Duration = Duration::from_millis(20);

/// The reaped processes of one run, added up.
#[derive(Debug, Default)]
pub(crate) struct Reaped {
    /// The exit status of the program's first process, if it has ended.
    pub(crate) main: Option<ExitStatus>,
    /// The CPU time of all that have ended. Children whose parent ignored their end are missing.
    pub(crate) cpu: Duration,
    /// The most memory that any single one held, in bytes.
    pub(crate) max_rss: u64,
}

/// The reaper of ended processes.
pub(crate) struct Reaper {
    signals: OwnedFd,
}

impl Reaper {
    pub(crate) fn new() -> Result<Self, Error> {
        let signals = sys::child_signals().doing("watching for the end of processes")?;
        Ok(Self { signals })
    }

    /// Returns the descriptor to poll: readable when some process has ended.
    pub(crate) fn exits(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }

    /// Reaps every ended process. Returns whether any are still alive.
    pub(crate) fn collect(&self, main: u32, reaped: &mut Reaped) -> Result<bool, Error> {
        // Drains the signals before it looks, so that none is missed.
        let mut signals = [0; 1024];
        let _ = rustix::io::read(&self.signals, &mut signals);
        loop {
            match sys::reap_one().doing("reaping an ended process")? {
                Children::Ended(process) => {
                    reaped.cpu += process.cpu;
                    reaped.max_rss = reaped.max_rss.max(process.max_rss);
                    if process.pid == main && reaped.main.is_none() {
                        reaped.main = Some(process.status);
                    }
                }
                Children::Alive => return Ok(true),
                Children::None => return Ok(false),
            }
        }
    }

    /// Kills every process but this one and reaps them all. Returns whether they are all gone: one
    /// that is stuck in the kernel may not be.
    pub(crate) fn end_all(&self, main: u32, reaped: &mut Reaped) -> Result<bool, Error> {
        let give_up = Instant::now() + DYING;
        loop {
            sys::kill_all();
            if !self.collect(main, reaped)? {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= give_up {
                return Ok(false);
            }
            let exits = PollFd::from_borrowed_fd(self.exits(), PollFlags::IN);
            wait_any(&mut [exits], now + AGAIN)?;
        }
    }
}
