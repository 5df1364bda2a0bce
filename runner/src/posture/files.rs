//! Reads the file systems: mounts, masked paths, and what can be read or written.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use super::facts::{FactSheet, content};

/// The paths below `/proc` and `/sys` that show the host, or act on it: what Docker masks or makes
/// read-only by default (moby, `oci/defaults.go`), and what newer versions of it and Podman add.
const OF_THE_HOST: [&str; 18] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/bus",
    "/proc/fs",
    "/proc/interrupts",
    "/proc/irq",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Files that a program could do harm with by writing them.
const TO_WRITE: [&str; 9] = [
    "/proc/self/clear_refs",
    "/proc/self/coredump_filter",
    "/proc/self/mem",
    "/proc/self/oom_score_adj",
    "/proc/self/setgroups",
    "/proc/self/timerslack_ns",
    "/proc/self/uid_map",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/vm/overcommit_memory",
];

/// Files and directories of PID 1, and further places to read.
const TO_READ: [&str; 13] = [
    "/.warren/runner",
    "/etc/passwd",
    "/proc/1/environ",
    "/proc/1/fd",
    "/proc/1/maps",
    "/proc/1/mem",
    "/proc/1/root",
    "/proc/kmsg",
    "/proc/meminfo",
    "/proc/self/mountinfo",
    "/proc/self/pagemap",
    "/sys/fs/cgroup",
    "/sys/kernel",
];

/// The directory of control groups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The most directories that are tried for writing.
const MAX_DIRECTORIES: usize = 4_000;

/// The depth below the root to which directories are tried.
const DEPTH: usize = 3;

pub(super) fn read(facts: &mut FactSheet) {
    let mounts = Mounts::read();
    mounts.show(facts);
    for path in OF_THE_HOST {
        facts.add(format!("host path {path}"), mounts.closed(path));
    }
    for path in TO_READ {
        let opened = File::open(path).map(drop);
        facts.add(format!("reads {path}"), said(&opened));
    }
    for path in TO_WRITE {
        let opened = OpenOptions::new().write(true).open(path).map(drop);
        facts.add(format!("writes {path}"), said(&opened));
    }
    devices(facts);
    let writable: Vec<String> = directories(&mounts)
        .iter()
        .filter(|path| takes_a_file(path))
        .map(|path| path.display().to_string())
        .collect();
    facts.add("writable directories", writable.join(" "));
    scratch(facts);
}

/// Returns `yes`, or the reason why not in one of few words.
fn said(opened: &io::Result<()>) -> &'static str {
    match opened {
        Ok(()) => "yes",
        Err(error) => match error.raw_os_error() {
            Some(libc::EACCES) => "EACCES",
            Some(libc::EPERM) => "EPERM",
            Some(libc::EROFS) => "EROFS",
            Some(libc::ENOENT | libc::ENOTDIR) => "absent",
            Some(libc::ENXIO | libc::EIO | libc::ENODEV) => "no device",
            Some(libc::EINVAL) => "EINVAL",
            _ => "other error",
        },
    }
}

/// A mount point's type and options.
struct Mount {
    kind: String,
    options: String,
}

struct Mounts(BTreeMap<String, Mount>);

impl Mounts {
    /// Reads `/proc/self/mountinfo` (proc(5)).
    fn read() -> Self {
        let text = content("/proc/self/mountinfo");
        Self(text.lines().filter_map(mount).collect())
    }

    fn show(&self, facts: &mut FactSheet) {
        for (path, mount) in &self.0 {
            let is_shown = !OF_THE_HOST.contains(&path.as_str()) && !path.starts_with(CGROUPS);
            if is_shown {
                facts.add(
                    format!("mount {path}"),
                    format!("{} {}", mount.kind, mount.options),
                );
            }
        }
        // How many there are depends on the host; how they are mounted does not.
        let groups = self
            .0
            .values()
            .filter(|mount| mount.kind.starts_with("cgroup"));
        let ways: BTreeSet<String> = groups
            .map(|it| format!("{} {}", it.kind, it.options))
            .collect();
        let version = if self.0.values().any(|mount| mount.kind == "cgroup") {
            1
        } else {
            2
        };
        let ways: Vec<String> = ways.into_iter().collect();
        facts.add(format!("v{version} mounts"), ways.join("; "));
    }

    /// Returns whether a path of the host is closed: absent, covered by something else, or the same
    /// thing read-only. Which of these it is depends on the host.
    fn closed(&self, path: &str) -> &'static str {
        let absent =
            fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if absent || self.0.contains_key(path) {
            "closed"
        } else {
            "open"
        }
    }
}

/// Parses a line of `mountinfo`. Of a file system's own options it keeps sizes and modes; of its
/// type, whether it is virtual: the others are the host's.
fn mount(line: &str) -> Option<(String, Mount)> {
    const VIRTUAL: [&str; 8] = [
        "cgroup", "cgroup2", "devpts", "devtmpfs", "mqueue", "proc", "sysfs", "tmpfs",
    ];
    let (first, second) = line.split_once(" - ")?;
    let mut first = first.split(' ');
    let (path, options) = (first.nth(4)?, first.next()?);
    let mut second = second.split(' ');
    let (kind, own) = (second.next()?, second.nth(1).unwrap_or_default());
    let kept = |option: &&str| {
        let name = option.split('=').next().unwrap_or_default();
        ["ro", "rw", "nosuid", "nodev", "noexec"].contains(&name)
    };
    let sizes = |option: &&str| {
        let name = option.split('=').next().unwrap_or_default();
        kind == "tmpfs" && ["size", "nr_inodes", "mode"].contains(&name)
    };
    let options = options.split(',').filter(kept);
    let options: Vec<&str> = options.chain(own.split(',').filter(sizes)).collect();
    let kind = if VIRTUAL.contains(&kind) {
        kind
    } else {
        "of the host"
    };
    let mount = Mount {
        kind: kind.to_owned(),
        options: options.join(","),
    };
    Some((path.to_owned(), mount))
}

/// Reads which device nodes there are, and what can be done with each.
fn devices(facts: &mut FactSheet) {
    let mut found = Vec::new();
    for entry in fs::read_dir("/dev").into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        let kind = metadata.file_type();
        let name = entry.file_name().to_string_lossy().into_owned();
        // Links are as good as what they lead to.
        if kind.is_symlink() {
            found.push(name);
            continue;
        }
        let what = if kind.is_char_device() {
            "character"
        } else if kind.is_block_device() {
            "block"
        } else if kind.is_dir() {
            "directory"
        } else {
            "other"
        };
        let open = |write: bool| {
            let mut options = OpenOptions::new();
            options.read(!write).write(write);
            // A terminal would become this session's.
            options.custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
            options.open(&path).map(drop)
        };
        let value = if kind.is_dir() {
            format!("{what}, reads {}", said(&open(false)))
        } else {
            let (reads, writes) = (open(false), open(true));
            format!("{what}, reads {}, writes {}", said(&reads), said(&writes))
        };
        facts.add(format!("device {name}"), value);
    }
    found.sort();
    facts.add("device links", found.join(" "));
    let shared = access("/dev/shm", Access::WRITE_OK).is_ok();
    facts.add(
        "shared memory directory",
        if shared { "writable" } else { "none" },
    );
}

/// Returns the directories that might be written: all down to a depth, and every mount point.
fn directories(mounts: &Mounts) -> BTreeSet<PathBuf> {
    let mut found: BTreeSet<PathBuf> = mounts.0.keys().map(PathBuf::from).collect();
    let mut level = vec![PathBuf::from("/")];
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for directory in level {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let is_of_kernel = ["proc", "sys"]
                    .map(OsStr::new)
                    .contains(&entry.file_name().as_os_str())
                    && directory == Path::new("/");
                if is_directory && !is_of_kernel && found.len() < MAX_DIRECTORIES {
                    found.insert(entry.path());
                    next.push(entry.path());
                }
            }
        }
        level = next;
    }
    found.insert(PathBuf::from("/"));
    found
}

/// Makes a file without a name in the directory; where that is not known, one that it removes.
fn takes_a_file(directory: &Path) -> bool {
    if access(directory, Access::WRITE_OK).is_err() {
        return false;
    }
    let path = directory.join(".warren-posture");
    let made = OpenOptions::new().write(true).create_new(true).open(&path);
    let made = made.is_ok();
    if made {
        // It can only fail to be removed where it was not made.
        let _ = fs::remove_file(&path);
    }
    made
}

/// Reads what the scratch directory holds and forbids.
fn scratch(facts: &mut FactSheet) {
    if let Ok(numbers) = statvfs("/tmp") {
        facts.add(
            "scratch bytes",
            numbers.f_blocks.saturating_mul(numbers.f_frsize),
        );
        facts.add("scratch files", numbers.f_files);
    }
    let program = Path::new("/tmp/.warren-posture");
    let options = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(program);
    let started = options
        .and_then(|mut file| io::Write::write_all(&mut file, b"#!/bin/sh\n"))
        .and_then(|()| std::process::Command::new(program).status());
    facts.add("executes scratch", said(&started.map(drop)));
    // It is removed with the sandbox at the latest.
    let _ = fs::remove_file(program);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_shows_its_own_bounds_and_nothing_of_the_host() {
        let line = "812 801 0:95 / /tmp rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs \
                    rw,size=16384k,nr_inodes=4096,mode=1777,inode64";
        let (path, found) = mount(line).unwrap();
        assert_eq!((path.as_str(), found.kind.as_str()), ("/tmp", "tmpfs"));
        let options = "rw,nosuid,nodev,noexec,size=16384k,nr_inodes=4096,mode=1777";
        assert_eq!(found.options, options);

        let line = "813 801 254:1 /var/lib/docker/containers/ab/hosts /etc/hosts ro,relatime \
                    master:1 - ext4 /dev/vda1 rw,size=7";
        let (path, found) = mount(line).unwrap();
        assert_eq!(
            (path.as_str(), found.kind.as_str()),
            ("/etc/hosts", "of the host")
        );
        assert_eq!(found.options, "ro");
    }
}
