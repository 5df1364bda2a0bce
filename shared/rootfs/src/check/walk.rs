//! Looks at everything in a root, once, for what a sandbox must not find there.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, lgetxattr_query, openat, statat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use crate::additions::{MOUNT_POINTS, SET_ID, USERS};
use crate::faults::{Faults, Problem};

/// The most entries that are looked at: twice as many as are imported.
const MOST: usize = 2_000_000;
/// The deepest directory.
const DEEPEST: usize = 256;

/// The users and groups that may own what is in a root: root, and those of the user that checks. In a
/// root that somebody without rights imported, everything is theirs. No sandbox runs as one of them.
#[derive(Clone, Copy)]
pub(super) struct Owners {
    user: u32,
    group: u32,
}

impl Owners {
    pub(super) fn of_process() -> Self {
        Self {
            user: geteuid().as_raw(),
            group: getegid().as_raw(),
        }
    }

    /// Returns what is wrong with one thing's owner and mode.
    pub(super) fn judge(self, found: &Stat, may_be_open: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        let kind = FileType::from_raw_mode(found.st_mode);
        if found.st_uid != 0 && found.st_uid != self.user {
            problems.push(Problem::Owner(found.st_uid));
        }
        if USERS.contains(&found.st_gid) {
            problems.push(Problem::Group(found.st_gid));
        }
        if kind == FileType::RegularFile && found.st_mode & SET_ID != 0 {
            problems.push(Problem::SetId);
        }
        let is_own_group = found.st_gid == 0 || found.st_gid == self.group;
        let by_others = if is_own_group { 0o002 } else { 0o022 };
        // A link's mode means nothing.
        if kind != FileType::Symlink && !may_be_open && found.st_mode & by_others != 0 {
            problems.push(Problem::Writable);
        }
        match kind {
            FileType::RegularFile | FileType::Directory | FileType::Symlink => {}
            FileType::CharacterDevice | FileType::BlockDevice => problems.push(Problem::Device),
            _ => problems.push(Problem::Kind),
        }
        problems
    }
}

/// Looks at everything below the root, whose directory is open.
pub(super) fn walk(root: &Path, directory: impl AsFd, faults: &mut Faults) {
    let device = match statat(&directory, ".", AtFlags::empty()) {
        Ok(found) => found.st_dev,
        Err(error) => return faults.add(root.to_owned(), unreadable(error)),
    };
    let mut walk = Walk {
        root,
        owners: Owners::of_process(),
        device,
        seen: 0,
        faults,
    };
    match open(&directory, OsStr::new(".")) {
        Ok(opened) => walk.inside(&opened, Path::new(""), 0),
        Err(error) => walk.fault(Path::new(""), unreadable(error)),
    }
}

struct Walk<'a> {
    root: &'a Path,
    owners: Owners,
    /// The root's file system.
    device: u64,
    seen: usize,
    faults: &'a mut Faults,
}

impl Walk<'_> {
    fn inside(&mut self, directory: &OwnedFd, path: &Path, depth: usize) {
        let read = match Dir::read_from(directory) {
            Ok(read) if depth < DEEPEST => read,
            Ok(_) => return self.fault(path, Problem::TooMuch),
            Err(error) => return self.fault(path, unreadable(error)),
        };
        for entry in read {
            self.seen += 1;
            // Nobody reads more faults than are listed.
            if self.faults.is_full() {
                return;
            }
            match entry {
                Ok(_) if self.seen > MOST => return self.fault(path, Problem::TooMuch),
                Ok(entry) => self.one(directory, entry.file_name(), path, depth),
                Err(error) => return self.fault(path, unreadable(error)),
            }
        }
    }

    fn one(&mut self, folder: &OwnedFd, name: &CStr, above: &Path, depth: usize) {
        if matches!(name.to_bytes(), b"." | b"..") {
            return;
        }
        let path = above.join(OsStr::from_bytes(name.to_bytes()));
        let found = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            Err(error) => return self.fault(&path, unreadable(error)),
        };
        if found.st_dev != self.device {
            return self.fault(&path, Problem::Mount);
        }
        let kind = FileType::from_raw_mode(found.st_mode);
        let may_be_open = kind == FileType::Directory && is_mount_point(&path);
        for problem in self.owners.judge(&found, may_be_open) {
            self.fault(&path, problem);
        }
        match kind {
            FileType::RegularFile => self.capabilities(folder, name, &path),
            FileType::Directory => match open(folder, OsStr::from_bytes(name.to_bytes())) {
                Ok(opened) => self.inside(&opened, &path, depth + 1),
                // What others cannot enter, no sandbox can: it is another user than everybody here.
                Err(Errno::ACCESS) if found.st_mode & 0o001 == 0 => {}
                Err(error) => self.fault(&path, unreadable(error)),
            },
            _ => {}
        }
    }

    fn capabilities(&mut self, folder: &OwnedFd, name: &CStr, path: &Path) {
        // No call takes a directory's descriptor and a name for this (until Linux 6.13).
        let mut whole = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
        whole.extend_from_slice(name.to_bytes());
        match lgetxattr_query(&whole[..], "security.capability") {
            Ok(_) => self.fault(path, Problem::Capabilities),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => self.fault(path, unreadable(error)),
        }
    }

    fn fault(&mut self, path: &Path, problem: Problem) {
        self.faults.add(shown(self.root, path), problem);
    }
}

fn shown(root: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() {
        root.to_owned()
    } else {
        root.join(path)
    }
}

fn is_mount_point(path: &Path) -> bool {
    let mut points = MOUNT_POINTS.iter();
    points.any(|point| path.as_os_str() == point.trim_start_matches('/'))
}

pub(super) fn unreadable(error: Errno) -> Problem {
    Problem::Unreadable(std::io::Error::from(error).to_string())
}

fn open(folder: impl AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}
