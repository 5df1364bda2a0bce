//! A directory that is filled with a root, and that no write leaves.
//!
//! The `tar` crate's own `unpack_in` is not enough. It compares canonical paths and then opens by name,
//! so links that the archive itself made decide where the next entry goes: an absolute one, which is
//! right inside a sandbox, leads out of the root or makes a good image fail. It also applies modes,
//! owners and attributes of the archive's choice, and has no bounds. Here the kernel resolves each
//! name with the root as `/` (openat2(2), `RESOLVE_IN_ROOT`); the last part of a name is only ever
//! created anew (`O_EXCL`), never followed; and modes are cut down.

mod open;
mod remove;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, chmodat, fchmod, futimens, linkat,
    mkdirat, openat, statat, symlinkat,
};
use rustix::io::Errno;

use self::open::Way;
use crate::bounds::Bounds;
use crate::entry_path::{self, EntryPath};
use crate::error::{EntryFault, Error, Result};

/// The bits of a file's mode that are kept: only its owner may write it.
const FILE_MODE: u32 = 0o755;
/// Those of a directory's; the sticky bit does no harm.
const DIRECTORY_MODE: u32 = 0o1755;
/// The longest target of a symbolic link that the kernel follows.
const LONGEST_TARGET: usize = 4_095;

/// A directory that is filled with a root.
pub struct Tree {
    root: OwnedFd,
    /// Its path, for messages.
    path: PathBuf,
    pub(crate) bounds: Bounds,
    bytes: u64,
    entries: u64,
}

impl Tree {
    /// Opens an empty directory to fill.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path, bounds: Bounds) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = openat(CWD, path, flags, Mode::empty());
        Ok(Self {
            root: root.map_err(Error::io("open", path))?,
            path: path.to_owned(),
            bounds,
            bytes: 0,
            entries: 0,
        })
    }

    /// Returns the number of bytes that its files were given.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the number of its files, directories and links, replaced ones included.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Returns the directory itself.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Counts one more entry of that many bytes, whether it is made or not.
    ///
    /// # Errors
    /// It is beyond the bounds.
    pub(crate) fn count(&mut self, bytes: u64) -> Result<()> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let too_large = |most, what| Err(Error::TooLarge { most, what });
        if bytes > self.bounds.file {
            return too_large(self.bounds.file, "bytes in one file");
        }
        if self.bytes > self.bounds.bytes {
            return too_large(self.bounds.bytes, "bytes");
        }
        if self.entries > self.bounds.entries {
            return too_large(self.bounds.entries, "files");
        }
        Ok(())
    }

    /// Makes a directory, in place of anything that is none, or changes the mode of the one there is.
    pub(crate) fn directory(&mut self, at: &EntryPath, mode: u32) -> Result<()> {
        let (parent, name) = self.parent(at)?;
        let is_there = match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => FileType::from_raw_mode(found.st_mode) == FileType::Directory,
            Err(Errno::NOENT) => false,
            Err(error) => return Err(self.io("look at", at)(error)),
        };
        if !is_there {
            remove::whole(&parent, name).map_err(self.io("replace", at))?;
            mkdirat(&parent, name, Mode::RWXU).map_err(self.io("make", at))?;
        }
        // An owner who may do everything, so that the root can be filled and removed by anybody.
        let mode = Mode::from_raw_mode(mode & DIRECTORY_MODE | 0o700);
        chmodat(&parent, name, mode, AtFlags::empty()).map_err(self.io("set the mode of", at))
    }

    /// Makes a file of `content`, in place of anything that is there. `modified` is in seconds since
    /// 1970: Python compares it with what its compiled modules were made from.
    pub(crate) fn file(
        &mut self,
        at: &EntryPath,
        mode: u32,
        modified: Option<u64>,
        content: &mut dyn Read,
    ) -> Result<()> {
        let (parent, name) = self.parent(at)?;
        remove::whole(&parent, name).map_err(self.io("replace", at))?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW;
        let made = openat(&parent, name, flags | OFlags::CLOEXEC, Mode::RUSR);
        let mut made = File::from(made.map_err(self.io("make", at))?);
        let most = self.bounds.file;
        let written = io::copy(&mut content.take(most + 1), &mut made);
        if written.map_err(self.io("write", at))? > most {
            let what = "bytes in one file";
            return Err(Error::TooLarge { most, what });
        }
        let mode = Mode::from_raw_mode(mode & FILE_MODE | 0o400);
        fchmod(&made, mode).map_err(self.io("set the mode of", at))?;
        if let Some(modified) = modified {
            let time = Timespec {
                // No time of day of an image's is beyond 2106, and no file system refuses that.
                tv_sec: modified.min(u64::from(u32::MAX)).cast_signed(),
                tv_nsec: 0,
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            futimens(&made, &times).map_err(self.io("set the time of", at))?;
        }
        Ok(())
    }

    /// Makes a symbolic link, in place of anything that is there. It may lead anywhere: it is followed
    /// only inside the sandbox, and here only by the rules of the module.
    pub(crate) fn symbolic_link(&mut self, at: &EntryPath, target: &[u8]) -> Result<()> {
        if target.contains(&0) || target.is_empty() {
            return Err(Error::entry(at.as_bytes(), EntryFault::Nul));
        }
        if target.len() > LONGEST_TARGET {
            return Err(Error::entry(at.as_bytes(), EntryFault::Long));
        }
        let (parent, name) = self.parent(at)?;
        remove::whole(&parent, name).map_err(self.io("replace", at))?;
        symlinkat(OsStr::from_bytes(target), &parent, name).map_err(self.io("make", at))
    }

    /// Makes another name of a file or symbolic link that is there already, in place of anything that
    /// is there.
    pub(crate) fn hard_link(&mut self, at: &EntryPath, to: &EntryPath) -> Result<()> {
        let no_target = || Error::entry(at.as_bytes(), EntryFault::NoTarget);
        let (folder, target) = to.split();
        let (folder, _) = open::directory(&self.root, folder).map_err(|_absent| no_target())?;
        let found = statat(&folder, target, AtFlags::SYMLINK_NOFOLLOW);
        let kind = found.map(|found| FileType::from_raw_mode(found.st_mode));
        if !matches!(kind, Ok(FileType::RegularFile | FileType::Symlink)) {
            return Err(no_target());
        }
        let (parent, name) = self.parent(at)?;
        remove::whole(&parent, name).map_err(self.io("replace", at))?;
        match linkat(&folder, target, &parent, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Err(no_target()),
            linked => linked.map_err(self.io("link", at)),
        }
    }

    /// Removes what is there, whole, if anything is. What it lies in need not be there either.
    pub(crate) fn remove(&mut self, at: &EntryPath) -> Result<()> {
        let (folder, name) = at.split();
        match open::directory(&self.root, folder) {
            Ok((folder, _)) => remove::whole(&folder, name).map_err(self.io("remove", at)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(error) => Err(self.io("look at", at)(error)),
        }
    }

    /// Removes what is in a directory, except what `kept` says of its path.
    pub(crate) fn remove_inside(
        &mut self,
        at: Option<&EntryPath>,
        kept: &dyn Fn(&[u8]) -> bool,
    ) -> Result<()> {
        let path = at.map_or(OsStr::new(""), EntryPath::as_os_str);
        let shown = self.path.join(path);
        match open::directory(&self.root, path) {
            Ok((folder, _)) => {
                let mut name = path.as_bytes().to_vec();
                remove::inside(&folder, &mut name, kept).map_err(Error::io("empty", shown))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(error) => Err(Error::io("look at", shown)(error)),
        }
    }

    /// Returns a file's content; `None` if there is none. Links are followed inside the root.
    pub(crate) fn read(&self, at: &EntryPath, most: u64) -> Result<Option<Vec<u8>>> {
        let opened = match open::file(&self.root, at.as_os_str()) {
            Ok(opened) => File::from(opened),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(self.io("read", at)(error)),
        };
        let mut content = Vec::new();
        let read = opened.take(most + 1).read_to_end(&mut content);
        if read.map_err(self.io("read", at))? as u64 > most {
            let what = "bytes in a file of users";
            return Err(Error::TooLarge { most, what });
        }
        Ok(Some(content))
    }

    /// Returns whether there is something, behind links that are followed inside the root.
    pub(crate) fn has(&self, at: &EntryPath) -> bool {
        open::anything(&self.root, at.as_os_str()).is_ok()
    }

    /// Opens the directory that an entry is to lie in, which is made if it is missing. Returns it and
    /// the entry's name there.
    fn parent<'a>(&mut self, at: &'a EntryPath) -> Result<(OwnedFd, &'a OsStr)> {
        let (folder, name) = at.split();
        Ok((self.folder(at, folder)?, name))
    }

    fn folder(&mut self, of: &EntryPath, path: &OsStr) -> Result<OwnedFd> {
        let refuse = |fault| Err(Error::entry(of.as_bytes(), fault));
        match open::directory(&self.root, path) {
            Ok((_, Way::ThroughLinks(depth))) if depth >= self.bounds.depth => {
                refuse(EntryFault::Deep)
            }
            Ok((opened, _)) => Ok(opened),
            Err(Errno::NOENT) => self.make_folder(of, path),
            Err(Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => refuse(EntryFault::NoDirectory),
            Err(error) => Err(self.io("open the directory of", of)(error)),
        }
    }

    /// Makes a directory that an entry needs and no entry describes.
    fn make_folder(&mut self, of: &EntryPath, path: &OsStr) -> Result<OwnedFd> {
        let (above, name) = entry_path::split(path);
        let above = self.folder(of, above)?;
        self.count(0)?;
        match mkdirat(&above, name, Mode::RWXU) {
            // A link that leads nowhere.
            Err(Errno::EXIST) => return Err(Error::entry(of.as_bytes(), EntryFault::NoDirectory)),
            made => made.map_err(self.io("make the directory of", of))?,
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&above, name, flags, Mode::empty());
        let made = made.map_err(self.io("open the directory of", of))?;
        // Not by the mode above, which the process's umask cuts.
        let mode = Mode::from_raw_mode(0o755);
        fchmod(&made, mode).map_err(self.io("set the mode of the directory of", of))?;
        Ok(made)
    }

    fn io<E: Into<io::Error>>(
        &self,
        doing: &'static str,
        at: &EntryPath,
    ) -> impl FnOnce(E) -> Error + use<E> {
        Error::io(doing, self.path.join(at.as_os_str()))
    }
}
