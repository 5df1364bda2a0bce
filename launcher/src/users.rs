//! A block of users that no other launcher of the host gives its sandboxes.
//!
//! Each user is one byte of a lock file, which need not be there. The lock belongs to the open file, which
//! templates inherit: the kernel frees the users with the last of them, however they end.

use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use crate::error::Error;
use crate::sys;

/// The users of all launchers' sandboxes. systemd.io/UIDS-GIDS leaves these 478 to nobody: they lie
/// between the users of portable home directories and those of services with `DynamicUser=`.
pub const ALL: Range<u32> = 60_706..61_184;

/// The lock file: in the directory for such files, or where there is none.
const PATHS: [&str; 2] = ["/run/lock/warren-users", "/tmp/warren-users"];

/// A block of users, held until this and every inherited copy are gone.
#[derive(Debug)]
pub struct Users {
    /// The launcher's own user where it is rootless: nobody's else.
    pub launcher: u32,
    /// Those of its sandboxes.
    pub sandboxes: Range<u32>,
    _lock: OwnedFd,
}

impl Users {
    /// Takes the first free block with a user for the launcher and that many for its sandboxes.
    ///
    /// # Errors
    /// [`Error::NoUsers`] if there is none; [`Error::Lock`] if the file cannot be used.
    pub fn take(sandboxes: u32) -> Result<Self, Error> {
        let (path, lock) = file()?;
        Self::take_from(&path, lock, sandboxes)
    }

    fn take_from(path: &Path, lock: OwnedFd, sandboxes: u32) -> Result<Self, Error> {
        let wanted = sandboxes.saturating_add(1);
        let mut start = ALL.start;
        while start.saturating_add(wanted) <= ALL.end {
            let locked = sys::lock_range(lock.as_fd(), start, wanted);
            if locked.map_err(|source| failed(path, source))? {
                return Ok(Self {
                    launcher: start,
                    sandboxes: start + 1..start + wanted,
                    _lock: lock,
                });
            }
            start += 1;
        }
        Err(Error::NoUsers {
            wanted,
            first: ALL.start,
            last: ALL.end - 1,
        })
    }
}

/// Opens the lock file. Every user of the host may, so that launchers of different users see each
/// other. It is never written to, and not followed if it is a link.
fn file() -> Result<(PathBuf, OwnedFd), Error> {
    let [usual, other] = PATHS.map(PathBuf::from);
    match open_lock(&usual) {
        Ok(lock) => Ok((usual, lock)),
        Err(_unusable) => match open_lock(&other) {
            Ok(lock) => Ok((other, lock)),
            Err(errno) => Err(failed(&other, errno.into())),
        },
    }
}

fn open_lock(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    // Without O_CREATE first: in a directory that everyone may write to, the kernel may refuse that
    // flag for a file of another user (`fs.protected_regular`).
    match open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            let file = open(path, flags | OFlags::CREATE, Mode::from_raw_mode(0o666))?;
            // The mask may have taken some away.
            rustix::fs::fchmod(&file, Mode::from_raw_mode(0o666))?;
            Ok(file)
        }
        other => other,
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::Lock {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(path: &Path, sandboxes: u32) -> Result<Users, Error> {
        Users::take_from(path, open_lock(path).unwrap(), sandboxes)
    }

    #[test]
    fn blocks_are_apart_and_freed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users");
        let first = take(&path, 200).unwrap();
        let second = take(&path, 200).unwrap();
        assert_eq!(first.launcher, ALL.start);
        assert_eq!(second.launcher, first.sandboxes.end);
        assert_eq!(second.sandboxes.len(), 200);
        assert!(matches!(take(&path, 200), Err(Error::NoUsers { .. })));
        drop(first);
        assert_eq!(take(&path, 200).unwrap().launcher, ALL.start);
    }
}
