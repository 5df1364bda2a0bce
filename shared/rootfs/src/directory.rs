//! Copies a directory into a tree, following nothing in it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat,
};
use rustix::io::Errno;

use crate::entry_path::EntryPath;
use crate::error::{EntryFault, Error, Result};
use crate::layer::is_left_out;
use crate::tree::Tree;

/// Copies what is in a directory, but for what is on other file systems.
///
/// # Errors
/// Something cannot be read, is of no kind that a root may have, or is too large.
pub(crate) fn copy(tree: &mut Tree, from: &Path) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = openat(CWD, from, flags, Mode::empty()).map_err(Error::io("open", from))?;
    let device = fstat(&top).map_err(Error::io("look at", from))?.st_dev;
    let mut copying = Copying {
        tree,
        from,
        device,
        links: HashMap::new(),
    };
    copying.inside(&top, None)
}

struct Copying<'a> {
    tree: &'a mut Tree,
    from: &'a Path,
    /// The file system that is copied.
    device: u64,
    /// The first names of files that have several, by their inode.
    links: HashMap<u64, EntryPath>,
}

impl Copying<'_> {
    /// Copies what is in an open directory. The depth is bounded by that of names.
    fn inside(&mut self, directory: &OwnedFd, path: Option<&EntryPath>) -> Result<()> {
        let shown = path.map_or(self.from.to_owned(), |path| {
            self.from.join(path.as_os_str())
        });
        let read = Dir::read_from(directory).map_err(Error::io("read", &shown))?;
        for entry in read {
            let entry = entry.map_err(Error::io("read", &shown))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let whole = match path {
                Some(path) => [path.as_bytes(), b"/", name].concat(),
                None => name.to_vec(),
            };
            let Some(at) = EntryPath::parse(&whole, &self.tree.bounds)? else {
                continue;
            };
            if !is_left_out(&at) {
                self.one(directory, OsStr::from_bytes(name), &at)?;
            }
        }
        Ok(())
    }

    fn one(&mut self, folder: &OwnedFd, name: &OsStr, at: &EntryPath) -> Result<()> {
        let shown = self.from.join(at.as_os_str());
        let found = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            // Gone since the directory was read.
            Err(Errno::NOENT) => return Ok(()),
            found => found.map_err(Error::io("look at", &shown))?,
        };
        if found.st_dev != self.device {
            return Ok(());
        }
        let kind = FileType::from_raw_mode(found.st_mode);
        if kind == FileType::RegularFile && found.st_nlink > 1 {
            if let Some(first) = self.links.get(&found.st_ino).cloned() {
                self.tree.count(0)?;
                return self.tree.hard_link(at, &first);
            }
            self.links.insert(found.st_ino, at.clone());
        }
        match kind {
            FileType::Directory => {
                self.tree.count(0)?;
                self.tree.directory(at, found.st_mode)?;
                let inner = open(folder, name, OFlags::DIRECTORY);
                self.inside(&inner.map_err(Error::io("open", &shown))?, Some(at))
            }
            FileType::RegularFile => {
                let file = open(folder, name, OFlags::NONBLOCK);
                self.file(&found, file.map_err(Error::io("open", &shown))?, at)
            }
            FileType::Symlink => {
                self.tree.count(0)?;
                let target = readlinkat(folder, name, Vec::new());
                let target = target.map_err(Error::io("read", &shown))?;
                self.tree.symbolic_link(at, target.as_bytes())
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                Err(Error::entry(at.as_bytes(), EntryFault::Device))
            }
            _ => Err(Error::entry(at.as_bytes(), EntryFault::Kind)),
        }
    }

    fn file(&mut self, found: &Stat, file: OwnedFd, at: &EntryPath) -> Result<()> {
        let size = u64::try_from(found.st_size).unwrap_or(0);
        self.tree.count(size)?;
        let modified = u64::try_from(found.st_mtime).ok();
        let mut content = File::from(file);
        self.tree.file(at, found.st_mode, modified, &mut content)
    }
}

fn open(folder: impl AsFd, name: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}
