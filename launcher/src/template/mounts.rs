//! A template's mount namespace: a sandbox's, but for what must be fresh.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, Mode, access};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change,
    mount_remount, unmount,
};
use rustix::process::{chdir, pivot_root};

use super::devices::mount_devices;
use super::mounted::mounted;
use crate::cgroup::CgroupMount;
use crate::error::{Doing, Error};
use crate::sandbox::EMPTY_DIRECTORY;

/// Mounts of the kernel's own file systems.
const PLAIN: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

/// The directories that a root file system must have, as places of mounts.
const PLACES: [&str; 4] = ["dev", "proc", "sys", "tmp"];

/// The runner, below a root.
const RUNNER: &str = ".warren/runner";

/// The paths of `/sys` that show the machine, which no program needs (oci/defaults.go of Docker 28).
const MASKED: [&str; 2] = ["firmware", "devices/virtual/powercap"];

/// Where control groups are mounted.
const GROUPS: &str = "/sys/fs/cgroup";

/// Makes the mount namespace, which is this process's own already, and leaves nothing else in it: the
/// host's root is unmounted, with everything below it.
///
/// # Errors
/// [`Error::Root`] if the root lacks something, [`Error::Mount`] if the kernel refuses a mount.
pub(super) fn enter(root: &Path, views: &[CgroupMount]) -> Result<(), Error> {
    // Nothing that is mounted here reaches the host, and nothing that the host mounts comes here.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mounted(Path::new("/"), mount_change("/", private))?;
    check(root)?;
    // A mount of its own, since only such a one can become a root.
    mounted(root, mount_bind(root, root))?;
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    mounted(root, mount_remount(root, flags, ""))?;
    mount_devices(root)?;
    // Empty, and the source of every sandbox's masks: `sandbox::paths`.
    let empty = below(root, EMPTY_DIRECTORY.to_bytes());
    let options = c"size=4k,nr_inodes=1,mode=555";
    mounted(
        &empty,
        mount(
            "tmpfs",
            &empty,
            "tmpfs",
            PLAIN | MountFlags::RDONLY,
            options,
        ),
    )?;
    // This template's processes. Without a visible one, a user namespace could mount no other.
    let proc = root.join("proc");
    mounted(&proc, mount("proc", &proc, "proc", PLAIN, None))?;
    mount_sys(root, &empty)?;
    mount_places_of_groups(root, views)?;
    replace_root(root)
}

fn check(root: &Path) -> Result<(), Error> {
    let lacks = |path| Error::Root {
        root: root.to_owned(),
        path,
    };
    for place in PLACES {
        if !root.join(place).is_dir() {
            return Err(lacks(place));
        }
    }
    access(root.join(RUNNER), Access::EXEC_OK).map_err(|_errno| lacks(RUNNER))
}

/// Mounts `/sys`, that of this process's network namespace, which has nothing but `lo`.
fn mount_sys(root: &Path, empty: &Path) -> Result<(), Error> {
    let sys = root.join("sys");
    mounted(
        &sys,
        mount("sysfs", &sys, "sysfs", PLAIN | MountFlags::RDONLY, None),
    )?;
    for path in MASKED {
        let path = sys.join(path);
        match mount_bind(empty, &path) {
            // Kernels differ.
            Err(Errno::NOENT) => {}
            result => mounted(&path, result)?,
        }
    }
    Ok(())
}

/// Makes the directories that each sandbox mounts its control groups on: for version 1 one for each
/// hierarchy. Version 2 is mounted right on the kernel's own directory.
fn mount_places_of_groups(root: &Path, views: &[CgroupMount]) -> Result<(), Error> {
    let hierarchies: Vec<_> = views
        .iter()
        .map(|view| view.directory.to_bytes())
        .filter(|directory| *directory != GROUPS.as_bytes())
        .collect();
    if hierarchies.is_empty() {
        return Ok(());
    }
    let groups = below(root, GROUPS.as_bytes());
    let options = c"size=16k,nr_inodes=32,mode=755";
    mounted(&groups, mount("tmpfs", &groups, "tmpfs", PLAIN, options))?;
    for directory in hierarchies {
        let directory = below(root, directory);
        rustix::fs::mkdir(directory, Mode::from_raw_mode(0o755))
            .doing("making the place of a control group")?;
    }
    let flags = PLAIN | MountFlags::RDONLY | MountFlags::BIND;
    mounted(&groups, mount_remount(&groups, flags, ""))
}

/// Makes `root` the root of this namespace, and unmounts all others.
fn replace_root(root: &Path) -> Result<(), Error> {
    chdir(root).doing("changing to the root file system")?;
    // The old root is put on top of the new one, where nobody needs a directory for it.
    pivot_root(".", ".").doing("changing the root (pivot_root)")?;
    mounted(Path::new("."), unmount(".", UnmountFlags::DETACH))?;
    chdir("/").doing("changing to the new root")
}

/// Returns an absolute path below a root.
fn below(root: &Path, path: &[u8]) -> PathBuf {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    root.join(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path)))
}
