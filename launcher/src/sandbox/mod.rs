//! One sandbox: cloned, set up, executed, waited for, removed.

mod child;
mod ending;
mod fault;
mod launching;
mod paths;
mod step;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_send_signal, waitid};

pub(crate) use child::Plan;
pub(crate) use fault::Fault;
pub(crate) use launching::{LaunchError, Means, launch};
pub(crate) use paths::EMPTY_DIRECTORY;

use crate::cgroup::Group;
use crate::log::note;
use crate::network::{Namespace, Network};
use crate::wire::{Consumed, Death, SandboxId};
use child::{Failure, REPORT_LEN};

/// The longest time from a clone to exec. It takes two milliseconds, unless the machine swaps.
const SETTING_UP: Duration = Duration::from_secs(10);

/// A sandbox, from its clone until nothing is left of it.
pub(crate) struct Sandbox {
    pub(crate) id: SandboxId,
    /// The user that nobody else may have until it is removed.
    pub(crate) user: u32,
    /// PID 1.
    process: OwnedFd,
    /// The pipe that exec closes; `None` once it has.
    report: Option<OwnedFd>,
    begun: Instant,
    group: Group,
    namespace: Option<Namespace>,
    /// Whether the worker has asked for its end.
    pub(crate) is_unwanted: bool,
}

/// The state of a new process.
#[derive(Debug)]
pub(crate) enum Birth {
    /// It has executed the runner, or has ended after a failure that nobody could report.
    Executed,
    /// A step failed.
    Failed(String),
}

/// All that is left of a sandbox that has ended.
pub(crate) struct Remains {
    pub(crate) death: Death,
    pub(crate) consumed: Consumed,
    group: Group,
    namespace: Option<Namespace>,
}

impl Sandbox {
    /// Returns the descriptor that becomes readable with the next news of it: the report of its set-up,
    /// then the end of PID 1.
    pub(crate) fn news(&self) -> BorrowedFd<'_> {
        self.report.as_ref().unwrap_or(&self.process).as_fd()
    }

    /// Returns the moment until which it may be set up; `None` once it is.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.report.as_ref().map(|_| self.begun + SETTING_UP)
    }

    /// Reads the report, which is there. `None` if it was read before.
    pub(crate) fn born(&mut self) -> Option<Birth> {
        let report = self.report.take()?;
        let mut bytes = [0; REPORT_LEN];
        let len = rustix::io::read(&report, &mut bytes).unwrap_or(0);
        Some(if len == 0 {
            Birth::Executed
        } else {
            Birth::Failed(describe(&bytes[..len]))
        })
    }

    /// Kills PID 1, and with it all others.
    pub(crate) fn kill(&self) {
        // It fails only for a process that has ended.
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
    }

    /// Returns what is left if PID 1 has ended. The kernel tells that only after it has ended all others.
    pub(crate) fn ended(self) -> Result<Remains, Box<Self>> {
        let Some(status) = status(&self.process, WaitIdOptions::NOHANG) else {
            return Err(Box::new(self));
        };
        Ok(self.into_remains(&status))
    }

    /// Kills it and waits for its end. Only for what ends at once: nothing else is served meanwhile.
    pub(crate) fn end(self) -> Remains {
        self.kill();
        let status = status(&self.process, WaitIdOptions::empty());
        // A process that cannot be waited for has been waited for.
        match status {
            Some(status) => self.into_remains(&status),
            None => self.remains_of(Death::Killed),
        }
    }

    fn into_remains(self, status: &WaitIdStatus) -> Remains {
        let ran_out = self.group.ran_out_of_memory().unwrap_or_else(|error| {
            note(&format!(
                "cannot tell whether {:?} ran out of memory: {error}",
                self.id
            ));
            false
        });
        let death = ending::death(status, self.is_unwanted, ran_out);
        self.remains_of(death)
    }

    fn remains_of(self, death: Death) -> Remains {
        let consumed = self.consumed();
        Remains {
            death,
            consumed,
            group: self.group,
            namespace: self.namespace,
        }
    }

    /// Reads the resources that it has used so far.
    pub(crate) fn consumed(&self) -> Consumed {
        self.group.consumed().unwrap_or_else(|error| {
            note(&format!(
                "cannot read the resources of {:?}: {error}",
                self.id
            ));
            Consumed::default()
        })
    }
}

impl Remains {
    /// Removes everything. Returns whether nothing is left, so that the user may be used again.
    pub(crate) fn remove(self, network: &mut Network) -> bool {
        if let Some(namespace) = self.namespace {
            network.give_back(namespace);
        }
        match self.group.remove() {
            Ok(()) => true,
            Err(error) => {
                note(&error.to_string());
                false
            }
        }
    }
}

/// Waits for a process; `None` if it has not ended (or cannot be waited for).
fn status(process: &OwnedFd, options: WaitIdOptions) -> Option<WaitIdStatus> {
    loop {
        let id = WaitId::PidFd(process.as_fd());
        match waitid(id, WaitIdOptions::EXITED | options) {
            Err(Errno::INTR) => {}
            waited => return waited.ok().flatten(),
        }
    }
}

fn describe(report: &[u8]) -> String {
    match Failure::from_bytes(report) {
        Some(Failure { step, errno }) => {
            let error = std::io::Error::from_raw_os_error(errno);
            format!("{} failed: {error}", step.name())
        }
        None => "its report is cut off".to_owned(),
    }
}
