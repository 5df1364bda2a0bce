//! The confinement of the launcher and its templates, once they are set up.
//!
//! They hold rights that no sandbox has, so each gives up what its role does not need: capabilities,
//! calls, and being traced. Sandboxes are children of a template, so its filter holds for them as
//! well, under their own.

mod calls;
mod capabilities;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, set_no_new_privs};

use crate::error::{Doing, Error};
use crate::seccomp::Program;

/// The capability of a launcher that supervises: it kills processes of sandboxes, whose users are
/// not its own.
pub const OF_LAUNCHER: CapabilitySet = CapabilitySet::KILL;

/// The capabilities of a template.
pub const OF_TEMPLATE: CapabilitySet = CapabilitySet::empty()
    // Namespaces, mounts, the host's name.
    .union(CapabilitySet::SYS_ADMIN)
    // A sandbox's user.
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    // Emptying a sandbox's bounding set.
    .union(CapabilitySet::SETPCAP)
    // Ending a sandbox, whose user is not its own.
    .union(CapabilitySet::KILL)
    // Bringing up `lo` of a new network namespace.
    .union(CapabilitySet::NET_ADMIN);

/// Confines the calling process to what a launcher does that supervises: it starts no process, mounts
/// nothing, and makes no socket. The process has one thread.
///
/// # Errors
/// A step failed, and the process must not go on.
pub fn launcher() -> Result<(), Error> {
    confine(OF_LAUNCHER, &Program::of(calls::of_launcher()))
}

/// Confines the calling process to what a template does, and its children until they confine
/// themselves further. The process has one thread.
///
/// Not dumpable, it and its children cannot write to their own `/proc/self/oom_score_adj` in a user
/// namespace; a child that has to can make itself dumpable again.
///
/// # Errors
/// A step failed, and the process must not go on.
pub fn template() -> Result<(), Error> {
    confine(OF_TEMPLATE, &Program::of(calls::of_template()))
}

fn confine(capabilities: CapabilitySet, filter: &Program) -> Result<(), Error> {
    capabilities::keep_only(capabilities)?;
    set_no_new_privs(true).doing("giving up new privileges")?;
    // Nobody of the same user may trace it, or read its memory and descriptors.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("closing the process to others")?;
    // Last: it forbids some of the above.
    filter.load().doing("loading the launcher's own filter")?;
    Ok(())
}

#[cfg(test)]
mod tests;
