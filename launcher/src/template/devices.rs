//! A template's `/dev`: the few devices that are of use without a terminal.

use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, symlinkat};
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};

use super::mounted::mounted;
use crate::error::{Doing, Error};

/// The devices, as on the host. `runner` knows the same ones.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// The links that programs expect.
const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
];

/// What a device's own mount may do: nothing but be read and written.
const DEVICE: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NOEXEC)
    .union(MountFlags::RDONLY);

/// Mounts `/dev` below a root. Everything there is read-only: nobody sets a time of a node, by which
/// one sandbox could leave a mark for another.
///
/// The nodes are the host's, mounted, since a user namespace lets nobody make any.
pub(super) fn mount_devices(root: &Path) -> Result<(), Error> {
    let dev = root.join("dev");
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    let options = c"size=64k,nr_inodes=32,mode=755";
    mounted(&dev, mount("tmpfs", &dev, "tmpfs", flags, options))?;
    for name in DEVICES {
        let (node, device) = (dev.join(name), Path::new("/dev").join(name));
        let flags_of_file = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        rustix::fs::open(&node, flags_of_file, Mode::from_raw_mode(0o666))
            .doing("making the place of a device")?;
        mounted(&node, mount_bind(&device, &node))?;
        mounted(&node, mount_remount(&node, DEVICE | MountFlags::BIND, ""))?;
    }
    for (target, name) in LINKS {
        symlinkat(target, CWD, dev.join(name)).doing("making a link to a stream")?;
    }
    // Where each sandbox mounts its own.
    rustix::fs::mkdir(dev.join("shm"), Mode::from_raw_mode(0o755)).doing("making /dev/shm")?;
    let flags = flags | MountFlags::RDONLY | MountFlags::BIND;
    mounted(&dev, mount_remount(&dev, flags, ""))
}
