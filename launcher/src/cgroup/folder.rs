//! A control group's directory, by descriptor: reads, writes and makes what is in it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::error::{Error, Result};

/// The largest file of a group that is read, in bytes. All but `cgroup.procs` are far below; that one is
/// read again until it is empty.
const MAX_FILE: usize = 16 * 1024;

/// The bytes of a strange file that an error shows.
const SHOWN: usize = 64;

/// A directory of a control group hierarchy. Names may be paths below it, such as `sandbox/cpu.max`.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a directory by its path.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| read(path, errno))?;
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    /// Opens a directory in this one.
    pub(super) fn folder(&self, name: &str) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(Self {
            fd: self.open_file(name, flags)?,
            path: self.path.join(name),
        })
    }

    /// Makes a directory in this one.
    pub(super) fn make(&self, name: &str) -> Result<()> {
        let mode = Mode::from_raw_mode(0o755);
        rustix::fs::mkdirat(&self.fd, name, mode).map_err(|errno| Error::Make {
            group: self.path.join(name),
            source: errno.into(),
        })
    }

    /// Makes a directory in this one if it is missing.
    pub(super) fn ensure(&self, name: &str) -> Result<Self> {
        match self.make(name) {
            Err(Error::Make { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        self.folder(name)
    }

    /// Removes an empty directory in this one, with the kernel's bare answer.
    pub(super) fn unlink(&self, name: &str) -> rustix::io::Result<()> {
        rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)
    }

    /// Returns whether it is on a file system of this kind.
    pub(super) fn is_of(&self, magic: u64) -> Result<bool> {
        let statistics = rustix::fs::fstatfs(&self.fd).map_err(|errno| read(&self.path, errno))?;
        Ok(u64::try_from(statistics.f_type) == Ok(magic))
    }

    /// Returns whether a file is there.
    pub(super) fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Returns the names of the directories in this one.
    pub(super) fn folders(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let entries = Dir::read_from(&self.fd).map_err(|errno| read(&self.path, errno))?;
        for entry in entries {
            let entry = entry.map_err(|errno| read(&self.path, errno))?;
            let name = entry.file_name().to_string_lossy();
            if entry.file_type() == FileType::Directory && name != "." && name != ".." {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    /// Reads a file as text without the last line's end.
    pub(super) fn read(&self, name: &str) -> Result<String> {
        let file = self.open_file(name, OFlags::RDONLY | OFlags::CLOEXEC)?;
        let mut text = vec![0; MAX_FILE];
        let mut len = 0;
        while len < text.len() {
            match rustix::io::read(&file, &mut text[len..]) {
                Ok(0) => break,
                Ok(more) => len += more,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(read(&self.path.join(name), errno)),
            }
        }
        Ok(String::from_utf8_lossy(&text[..len]).trim_end().to_owned())
    }

    /// Writes a value to a file that is there.
    pub(super) fn write(&self, name: &str, value: &str) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, name, flags, Mode::empty())
            .and_then(|file| rustix::io::write(file, value.as_bytes()))
            .map_err(io::Error::from)
            .and_then(|len| {
                (len == value.len())
                    .then_some(())
                    .ok_or_else(|| io::ErrorKind::WriteZero.into())
            })
            .map_err(|source| Error::Write {
                file: self.path.join(name),
                value: value.to_owned(),
                source,
            })
    }

    /// Opens a file to be written to later.
    pub(super) fn open_to_write(&self, name: &str) -> Result<OwnedFd> {
        self.open_file(name, OFlags::WRONLY | OFlags::CLOEXEC)
    }

    /// Duplicates the descriptor of a file in it.
    pub(super) fn duplicate(&self, file: &OwnedFd) -> Result<OwnedFd> {
        file.try_clone().map_err(|source| Error::Read {
            file: self.path.clone(),
            source,
        })
    }

    /// Locks this directory for as long as a copy of its descriptor is open. Returns `false` if another
    /// process has it.
    pub(super) fn lock(&self) -> Result<bool> {
        match rustix::fs::flock(&self.fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(errno) => Err(read(&self.path, errno)),
        }
    }

    /// Returns whether the directory of this name is still the one in `folder`.
    pub(super) fn still_has(&self, name: &str, folder: &Self) -> Result<bool> {
        let own = rustix::fs::fstat(&folder.fd).map_err(|errno| read(&folder.path, errno))?;
        Ok(
            rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|there| (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)),
        )
    }

    /// Gives this directory, and files in it, to a user and group.
    pub(super) fn give(&self, files: &[&str], (user, group): (u32, u32)) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(group));
        let failed = |path: PathBuf, errno: Errno| Error::Give {
            group: path,
            user,
            source: errno.into(),
        };
        rustix::fs::fchown(&self.fd, Some(uid), Some(gid))
            .map_err(|errno| failed(self.path.clone(), errno))?;
        for file in files {
            rustix::fs::chownat(
                &self.fd,
                *file,
                Some(uid),
                Some(gid),
                AtFlags::SYMLINK_NOFOLLOW,
            )
            .map_err(|errno| failed(self.path.join(file), errno))?;
        }
        Ok(())
    }

    /// Returns the path that it was opened by.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reports a file's text as one that is not understood.
    pub(super) fn strange(&self, name: &str, text: &str) -> Error {
        Error::Strange {
            file: self.path.join(name),
            text: text.chars().take(SHOWN).collect(),
        }
    }

    /// Gives the descriptor away.
    pub(super) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    fn open_file(&self, name: &str, flags: OFlags) -> Result<OwnedFd> {
        rustix::fs::openat(&self.fd, name, flags, Mode::empty())
            .map_err(|errno| read(&self.path.join(name), errno))
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn read(path: &Path, errno: Errno) -> Error {
    Error::Read {
        file: path.to_owned(),
        source: errno.into(),
    }
}
