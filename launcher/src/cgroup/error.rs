//! Failures with control groups, each with what to do about it.

use std::io;
use std::path::PathBuf;

use super::controller::Controller;

/// A result of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure with a control group. None of them leads to a sandbox with fewer limits.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The instance's name cannot be a part of a directory's name.
    #[error(
        "`{0}` cannot name a control group; use at most 64 letters, digits, dots, dashes and underscores"
    )]
    Name(String),
    /// The parent group's path is not one.
    #[error(
        "{0} is no path of a control group; give the path below the hierarchy's root, as in /proc/self/cgroup, without `..`"
    )]
    Base(PathBuf),
    /// There is no hierarchy at all.
    #[error(
        "no control groups are mounted; mount them on /sys/fs/cgroup (`mount -t cgroup2 cgroup2 /sys/fs/cgroup`)"
    )]
    NoGroups,
    /// A hierarchy, or its part with the own group, is not mounted.
    #[error(
        "the control group of this process is not below {0}; mount the host's hierarchy there (in a container: `--cgroupns=private` and a writable /sys/fs/cgroup), or name a group that is"
    )]
    Outside(PathBuf),
    /// A mounted hierarchy is hidden by another mount.
    #[error("{0} is not a control group, although the mount table says so; unmount what hides it")]
    Hidden(PathBuf),
    /// No hierarchy has the controller.
    #[error(
        "the control group controller `{0}` is not mounted as version 1, though others are; mount it, or boot with cgroup version 2 only (systemd.unified_cgroup_hierarchy=1)"
    )]
    NotMounted(Controller),
    /// The hierarchy of CPUs has other controllers too, so that joining one group leaves the other.
    #[error(
        "the controller `cpuset` shares its version 1 hierarchy (`{0}`) with others; mount it on its own, or boot with cgroup version 2 only (systemd.unified_cgroup_hierarchy=1)"
    )]
    Shared(String),
    /// The version 2 group was not given the controller.
    #[error(
        "the control group {group} has no controller `{controller}`; delegate it (systemd: Delegate=cpu cpuset memory pids), or name a group that has it"
    )]
    NotDelegated {
        /// The controller.
        controller: Controller,
        /// The group.
        group: PathBuf,
    },
    /// The kernel limits memory but not swap, so a program's memory would be larger than its limit.
    #[error(
        "the kernel does not limit swap ({0} is missing); boot with swapaccount=1 on its command line"
    )]
    NoSwapLimit(PathBuf),
    /// A group with processes must hold sandboxes.
    #[error(
        "cannot pass controllers on to children of {group}, which has processes of its own: {source}; name a group without any, or have the service started in a group below it (systemd: DelegateSubgroup=launcher)"
    )]
    HasProcesses {
        /// The group.
        group: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The instance's groups are in use.
    #[error(
        "another launcher holds {0}; end it, or give this instance another name than that one's"
    )]
    Held(PathBuf),
    /// There is no such CPU for sandboxes.
    #[error("CPU {cpu} is not among those of {group} ({cpus}); choose one of them")]
    NoCpu {
        /// The CPU that was asked for.
        cpu: u32,
        /// The group.
        group: PathBuf,
        /// The CPUs that it has.
        cpus: String,
    },
    /// A directory cannot be made.
    #[error(
        "cannot make the control group {group}: {source}; its parent must be writable for the launcher"
    )]
    Make {
        /// The group.
        group: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A limit or setting cannot be written.
    #[error("cannot write `{value}` to {file}: {source}; no sandbox is made without this setting")]
    Write {
        /// The file.
        file: PathBuf,
        /// The value.
        value: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file or directory cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{file} holds `{text}`, which is not understood; report the kernel's version")]
    Strange {
        /// The file.
        file: PathBuf,
        /// The text in it, shortened.
        text: String,
    },
    /// A group cannot be given to the owner.
    #[error(
        "cannot give {group} to user {user}: {source}; start the launcher as root, or delegate the group to its user"
    )]
    Give {
        /// The group's directory or a file in it.
        group: PathBuf,
        /// The user's number.
        user: u32,
        /// The kernel's answer.
        source: io::Error,
    },
    /// This process is about to kill itself.
    #[error(
        "this process is in {0} itself, which is to be emptied; start it in another control group"
    )]
    Inside(PathBuf),
    /// Processes outlive their kill.
    #[error(
        "the processes of {0} do not end after SIGKILL; the group stays, and the next launcher's sweep tries again"
    )]
    Unkillable(PathBuf),
    /// A group cannot be removed.
    #[error(
        "cannot remove the control group {group}: {source}; it stays, and the next launcher's sweep tries again"
    )]
    Remove {
        /// The group.
        group: PathBuf,
        /// The kernel's last answer.
        source: io::Error,
    },
}

impl Error {
    /// Returns whether it is about a file or directory that does not exist.
    pub(super) fn is_missing(&self) -> bool {
        let (Self::Read { source, .. } | Self::Write { source, .. }) = self else {
            return false;
        };
        source.kind() == io::ErrorKind::NotFound
    }
}
