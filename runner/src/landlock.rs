//! The files that a program may reach, held by Landlock on top of permissions.
//!
//! The container's file system has more than a program needs: control groups and devices of the
//! kernel, files of its own process that it could write, and whatever an image brings along. Each is
//! closed by something else, too; Landlock is never the only layer, since a kernel may have none.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use ::landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};
use rustix::fs::{Mode, OFlags};

use crate::devices::DEVICES;
use crate::error::Error;
use crate::sys;

/// The newest version of Landlock that is made use of. Its rights, as far as the kernel knows them, are
/// all refused where nothing below allows them.
const KNOWN: ABI = ABI::V6;

/// Programs, libraries and their data: read and executed.
const PROGRAMS: [&str; 10] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/etc", "/.warren",
];

/// Read: the kernel's files of processes, and the constants that C libraries and interpreters size
/// their pools and heaps by. Without the limit of memory, Node takes the machine's for its own.
const READ: [&str; 14] = [
    "/proc",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/memory.high",
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory.swap.max",
    "/sys/fs/cgroup/pids.max",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes",
    "/sys/fs/cgroup/memory/memory.soft_limit_in_bytes",
    "/sys/fs/cgroup/pids/pids.max",
];

/// Shared memory: a directory of the program's own, like the scratch directory.
const SHARED_MEMORY: &str = "/dev/shm";

/// Written by a process of its own: any may make itself dearer to the memory killer, down to the score
/// of PID 1. If the killer then takes PID 1, that is the verdict (the worker's `last_resort`).
const OWN: &CStr = c"/proc/self/oom_score_adj";

/// A ruleset, built once and applied to every program.
pub(crate) struct Landlock {
    /// `None` where the kernel has no Landlock, or too old a one.
    ruleset: Option<OwnedFd>,
}

impl Landlock {
    /// Builds the ruleset, with as much as this kernel knows of it. Below the scratch directory a
    /// program may do everything but execute files.
    ///
    /// # Errors
    /// The kernel has Landlock, but takes no ruleset.
    pub(crate) fn build(scratch: &str) -> Result<Self, Error> {
        // Version 1 (Linux 5.13 to 5.18) forbids to move any file into another directory, which
        // honest programs do: it counts as none.
        let usable = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::Refer)
            .is_ok();
        let ruleset = if usable { build(scratch)? } else { None };
        Ok(Self { ruleset })
    }

    /// Applies it to the calling process irrevocably, through exec and fork. Safe between fork and
    /// exec.
    pub(crate) fn apply(&self) -> io::Result<()> {
        let Some(ruleset) = &self.ruleset else {
            return Ok(());
        };
        // The rule stays in the ruleset, where it does nothing once this process is gone.
        let own = rustix::fs::open(OWN, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        sys::allow_writing(ruleset.as_fd(), own.as_fd())?;
        sys::restrict_self(ruleset.as_fd())
    }
}

fn build(scratch: &str) -> Result<Option<OwnedFd>, RulesetError> {
    let look = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    // Not devices, which the container lacks the capability to make; one of number 0 needs none.
    let own = AccessFs::from_all(KNOWN)
        & !make_bitflags!(AccessFs::{Execute | MakeChar | MakeBlock | IoctlDev});
    let device = make_bitflags!(AccessFs::{ReadFile | WriteFile | IoctlDev});
    let rules = [
        (PROGRAMS.as_slice(), look | AccessFs::Execute),
        (READ.as_slice(), look),
        (&["/dev"], AccessFs::ReadDir.into()),
        (&[scratch, SHARED_MEMORY], own),
        (DEVICES.as_slice(), device),
    ];
    let rules = rules
        .into_iter()
        .flat_map(|(paths, access)| paths.iter().filter_map(move |path| rule(path, access)));
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        // No name of another run's sockets is found. Signals stay free: those to PID 1 do nothing, and
        // to ask for its parent so is any program's right.
        .scope(Scope::AbstractUnixSocket)?
        .create()?
        .add_rules(rules)?;
    Ok(ruleset.into())
}

/// Makes a rule for a path; none if it is not there, since containers and images differ.
fn rule(
    path: &str,
    access: BitFlags<AccessFs>,
) -> Option<Result<PathBeneath<PathFd>, RulesetError>> {
    let path = PathFd::new(path).ok()?;
    Some(Ok(PathBeneath::new(path, access)))
}
