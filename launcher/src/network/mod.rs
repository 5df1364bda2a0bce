//! Network namespaces of sandboxes: recycled by audit, or fresh for each.
//!
//! Making and destroying a namespace takes the kernel 1.4 ms, more than all the rest of a sandbox. So
//! one that a sandbox has left no trace in serves the next ([`audit`] says why that can be told). A sandbox
//! that sent a packet, even to itself, or left a socket, has its namespace dropped.

mod audit;
mod error;
mod namespace;
mod retirement;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode as Permissions, OFlags};

pub use error::Error;
pub use namespace::{Namespace, bring_up_loopback};
use retirement::MAX_IDLE;
pub use retirement::Verdict;

/// The way in which sandboxes get their network namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From those before them that left no trace.
    Recycled,
    /// Each makes its own.
    Fresh,
}

/// The network namespaces of a template's sandboxes.
#[derive(Debug)]
pub struct Network {
    mode: Mode,
    proc: OwnedFd,
    idle: VecDeque<Namespace>,
    /// Those dropped and not replaced yet.
    owed: usize,
}

impl Network {
    /// Prepares namespaces, the first one at once if they are recycled.
    ///
    /// `/proc` must be mounted; its descriptor is kept, so it may be unmounted later. The thread must own
    /// the network namespace that it is in, since it returns there after each one that it makes: without
    /// root, unshare one first.
    ///
    /// # Errors
    ///
    /// If a namespace cannot be made. After [`Error::Stranded`] the process must end.
    pub fn new(mode: Mode) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = rustix::fs::open("/proc", flags, Permissions::empty()).map_err(|errno| {
            Error::Proc {
                file: "/proc",
                source: errno.into(),
            }
        })?;
        let idle = match mode {
            Mode::Recycled => VecDeque::from([Namespace::make(&proc)?]),
            Mode::Fresh => VecDeque::new(),
        };
        Ok(Self {
            mode,
            proc,
            idle,
            owed: 0,
        })
    }

    /// Takes a namespace for a sandbox, which it must be given back from or dropped with. `None` means
    /// that the sandbox makes its own (`CLONE_NEWNET`, then [`bring_up_loopback`]).
    ///
    /// # Errors
    ///
    /// As [`Network::new`]; only if none is waiting.
    pub fn take(&mut self) -> Result<Option<Namespace>, Error> {
        match (self.mode, self.idle.pop_front()) {
            (Mode::Fresh, _) => Ok(None),
            (Mode::Recycled, Some(namespace)) => Ok(Some(namespace)),
            (Mode::Recycled, None) => Namespace::make(&self.proc).map(Some),
        }
    }

    /// Takes a namespace back, after the last process in it has ended, and audits it. One that is not kept
    /// is dropped.
    pub fn give_back(&mut self, mut namespace: Namespace) -> Verdict {
        namespace.uses += 1;
        // What cannot be read is no proof of anything.
        let as_new = namespace.audit.is_as_new().unwrap_or(false);
        let (uses, age) = (namespace.uses, namespace.made.elapsed());
        let verdict = retirement::verdict(as_new, uses, age, self.idle.len());
        match verdict {
            Verdict::Kept => self.idle.push_back(namespace),
            Verdict::Used | Verdict::Worn => self.owed = (self.owed + 1).min(MAX_IDLE),
            Verdict::Spare => {}
        }
        verdict
    }

    /// Returns the number of namespaces that were dropped and not replaced.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.owed
    }

    /// Replaces one namespace that was dropped, if there is one. Takes 0.7 ms, so call it when no sandbox
    /// waits.
    ///
    /// # Errors
    ///
    /// As [`Network::new`].
    pub fn replenish(&mut self) -> Result<(), Error> {
        if self.owed > 0 && self.idle.len() < MAX_IDLE {
            self.idle.push_back(Namespace::make(&self.proc)?);
        }
        self.owed = self.owed.saturating_sub(1);
        Ok(())
    }
}
