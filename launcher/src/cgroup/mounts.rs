//! Parses the mount table and the process's own groups. Pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// The path within the hierarchy that is mounted.
    pub(super) root: PathBuf,
    /// The directory that it is mounted on.
    pub(super) point: PathBuf,
    /// The path within the hierarchy of this process's group.
    pub(super) own: PathBuf,
    /// The controllers, as a mount of version 1 names them; nothing for version 2.
    pub(super) controllers: String,
}

impl Hierarchy {
    /// Returns the own group's path below the mount, or `None` if it lies outside.
    pub(super) fn own_below(&self) -> Option<&Path> {
        self.own.strip_prefix(&self.root).ok()
    }

    /// Returns whether it is a version 1 hierarchy with this controller.
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.split(',').any(|one| one == controller)
    }
}

/// Returns the mounted hierarchies, from the texts of `/proc/self/mountinfo` (proc_pid_mountinfo(5)) and
/// `/proc/self/cgroup` (cgroups(7)). Of several mounts of one hierarchy it takes the first that is
/// writable, else the first.
pub(super) fn hierarchies(mounts: &str, groups: &str) -> Vec<Hierarchy> {
    groups
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, own) = (parts.next()?, parts.next()?);
            let candidates = || mounts.lines().filter_map(Mount::parse);
            let is_it = |mount: &Mount<'_>| mount.is_of(controllers);
            let mount = candidates()
                .find(|mount| is_it(mount) && mount.writable)
                .or_else(|| candidates().find(is_it))?;
            Some(Hierarchy {
                root: mount.root,
                point: mount.point,
                own: own.into(),
                controllers: controllers.to_owned(),
            })
        })
        .collect()
}

/// A line of the mount table.
struct Mount<'a> {
    root: PathBuf,
    point: PathBuf,
    writable: bool,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// Parses `ID PARENT DEVICE ROOT POINT OPTIONS [TAG…] - KIND SOURCE SUPER-OPTIONS`.
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut filesystem = filesystem.split(' ');
        Some(Self {
            root: unescape(mount.next()?),
            point: unescape(mount.next()?),
            writable: mount.next()?.split(',').any(|option| option == "rw"),
            kind: filesystem.next()?,
            options: filesystem.nth(1)?,
        })
    }

    /// Returns whether it mounts the hierarchy with these controllers; none are version 2's.
    fn is_of(&self, controllers: &str) -> bool {
        if controllers.is_empty() {
            return self.kind == "cgroup2";
        }
        let has = |one| self.options.split(',').any(|option| option == one);
        self.kind == "cgroup" && controllers.split(',').all(has)
    }
}

/// Undoes the mount table's octal escapes of space, tab, newline and backslash.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.first_chunk::<3>().and_then(octal);
        match (first, code) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hierarchy_of_version_1_is_found_with_its_controllers() {
        let mounts =
            "25 22 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
26 22 0:24 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
27 22 0:25 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,name=systemd
28 22 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        let groups = "4:cpu,cpuacct:/a\n3:memory:/b/c\n2:pids:/\n1:name=systemd:/\n0::/d\n";
        let found = hierarchies(mounts, groups);
        let of = |controllers: &str, point: &str, own: &str| Hierarchy {
            root: "/".into(),
            point: point.into(),
            own: own.into(),
            controllers: controllers.to_owned(),
        };
        let expected = [
            of("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/a"),
            of("memory", "/sys/fs/cgroup/memory", "/b/c"),
            of("name=systemd", "/sys/fs/cgroup/systemd", "/"),
            of("", "/sys/fs/cgroup/unified", "/d"),
        ];
        assert_eq!(found, expected);
        assert!(found[0].has("cpu") && found[0].has("cpuacct") && !found[0].has("memory"));
    }

    #[test]
    fn a_containers_mount_shows_only_a_part() {
        let mounts = "9 8 0:4 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        let inside = hierarchies(mounts, "1:memory:/docker/x/y");
        assert_eq!(inside[0].own_below(), Some(Path::new("y")));
        let outside = hierarchies(mounts, "1:memory:/docker/z");
        assert_eq!(outside[0].own_below(), None);
    }

    #[test]
    fn a_writable_mount_is_preferred_and_escapes_are_undone() {
        let mounts = "1 2 0:3 / /sys/fs/cgroup ro - cgroup2 cgroup rw
1 2 0:3 / /mnt/my\\040groups rw - cgroup2 cgroup rw";
        let found = hierarchies(mounts, "0::/");
        assert_eq!(found[0].point, Path::new("/mnt/my groups"));
        let found = hierarchies(mounts.lines().next().unwrap(), "0::/");
        assert_eq!(found[0].point, Path::new("/sys/fs/cgroup"));
    }
}
