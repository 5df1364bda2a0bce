//! Replaces a language's root by a new one, whole or not at all.
//!
//! A new root grows beside the old one, is checked and written to disk, and takes its place in one
//! rename. Whatever interrupts that leaves the old one, and rubbish that the next import removes. A
//! root that a worker has in use (a shared lock on its directory) is only moved aside: its sandboxes
//! go on until the worker ends.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use rustix::io::Errno;

use crate::additions::{Addition, recipe_of};
use crate::bounds::Bounds;
use crate::check;
use crate::error::{Error, Result};
use crate::furnish::furnish;
use crate::provenance::{Origin, Provenance};
use crate::tree::Tree;

/// The longest wait for another import of the same root.
const WAIT: Duration = Duration::from_secs(600);
/// The pause between two looks at its lock.
const PAUSE: Duration = Duration::from_millis(100);
/// The record that says that a root was imported.
const RECORD: &str = crate::provenance::PLACE;

/// The place of a language's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    folder: PathBuf,
    name: OsString,
}

impl Place {
    /// Names the place of a root.
    ///
    /// # Errors
    /// It has no name of its own, as `/` has none.
    pub fn new(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).map_err(Error::io("find", path))?;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            let problem = "it is no directory that can be replaced; choose another";
            return Err(Error::source(&path, problem));
        };
        Ok(Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            path,
        })
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the record of the root that is there; `None` if there is none that was imported.
    #[must_use]
    pub fn current(&self) -> Option<Provenance> {
        check::provenance_of(&self.path)
    }

    /// Begins an import, once every other of the same root has ended, and removes what interrupted
    /// ones left.
    ///
    /// # Errors
    /// Another one does not end, or the directory that is to hold the root cannot be written.
    pub fn begin(&self) -> Result<Import> {
        self.begin_within(WAIT)
    }

    fn begin_within(&self, within: Duration) -> Result<Import> {
        fs::create_dir_all(&self.folder).map_err(Error::io("make", &self.folder))?;
        let path = self.beside(".lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < within => {
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    let path = self.path.clone();
                    return Err(Error::Busy { path, within });
                }
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
            }
        }
        let place = self.clone();
        let import = Import { place, _lock: lock };
        import.sweep();
        Ok(import)
    }

    /// Returns a path for something that belongs to the root and lies beside it.
    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(ending);
        self.folder.join(name)
    }
}

/// An import into one place; no other is under way meanwhile.
pub struct Import {
    place: Place,
    _lock: File,
}

impl Import {
    /// Returns the place.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Makes a new root with `unpack`, furnishes it, and puts it in place of the one that is there.
    ///
    /// # Errors
    /// It could not be made, or is not fit for use. The old one, if any, is still there.
    pub fn replace(
        &self,
        origin: Origin,
        bounds: Bounds,
        additions: &[Addition<'_>],
        unpack: impl FnOnce(&mut Tree) -> Result<()>,
    ) -> Result<Provenance> {
        self.may_replace()?;
        let fresh = Fresh::make(self.place.beside(&format!(".new-{}", std::process::id())))?;
        let mut tree = Tree::open(&fresh.0, bounds)?;
        unpack(&mut tree)?;
        furnish(&mut tree, additions)?;
        let provenance = Provenance {
            origin,
            recipe: recipe_of(additions),
            entries: tree.entries(),
            bytes: tree.bytes(),
        };
        provenance.write(&mut tree)?;
        check::verify(&fresh.0, additions).map_err(Error::Unfit)?;
        syncfs(tree.root()).map_err(Error::io("write to disk", &fresh.0))?;
        drop(tree);
        self.swap(&fresh.0)?;
        Ok(provenance)
    }

    /// Refuses to replace what is no root of ours: a mistyped path must not cost somebody's files.
    fn may_replace(&self) -> Result<()> {
        let path = &self.place.path;
        let is_empty = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
            Err(error) => return Err(Error::io("look at", path)(error)),
        };
        let is_ours = path.join(RECORD.trim_start_matches('/')).is_file();
        if is_empty || is_ours {
            return Ok(());
        }
        Err(Error::NotOurs(path.clone()))
    }

    /// Puts the new root in place, in one step where the file system can, and removes the old one.
    fn swap(&self, new: &Path) -> Result<()> {
        let path = &self.place.path;
        let rename = |flags| renameat_with(CWD, new, CWD, path, flags);
        let moved = match rename(RenameFlags::EXCHANGE) {
            Err(Errno::NOENT) => rename(RenameFlags::NOREPLACE).or_else(|error| match error {
                // A file system that cannot promise not to replace: nothing else imports here.
                Errno::INVAL | Errno::NOSYS => rename(RenameFlags::empty()),
                other => Err(other),
            }),
            Err(Errno::INVAL | Errno::NOSYS | Errno::XDEV) => self.in_two_steps(new),
            exchanged => exchanged,
        };
        moved.map_err(Error::io("put the new root in place of", path))?;
        let folder = &self.place.folder;
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(Error::io("write to disk", folder))?;
        // Where there was one, the old root now has the new one's name.
        self.discard(new);
        Ok(())
    }

    /// Puts the new root in place where a file system cannot exchange two directories: between the two
    /// steps there is none.
    fn in_two_steps(&self, new: &Path) -> rustix::io::Result<()> {
        let path = &self.place.path;
        let aside = self.aside(path);
        let rename =
            |from: &Path, to: &Path| renameat_with(CWD, from, CWD, to, RenameFlags::empty());
        rename(path, &aside)?;
        if let Err(error) = rename(new, path) {
            rename(&aside, path)?;
            return Err(error);
        }
        self.discard(&aside);
        Ok(())
    }

    /// Removes an old root, or moves it aside while something uses it. A failure does no harm: the
    /// next import tries again.
    fn discard(&self, old: &Path) {
        if is_in_use(old) {
            let _ = fs::rename(old, self.aside(old));
        } else {
            let _ = fs::remove_dir_all(old);
        }
    }

    /// Returns the name of an old root that is in use: no two have one inode at a time.
    fn aside(&self, old: &Path) -> PathBuf {
        let inode = fs::symlink_metadata(old).map_or(0, |found| found.ino());
        self.place.beside(&format!(".old-{inode}"))
    }

    /// Removes what interrupted imports left, and old roots that are no longer in use.
    fn sweep(&self) {
        let (new, old) = (self.place.beside(".new-"), self.place.beside(".old-"));
        let starts = [&new, &old].map(|path| path.file_name().map(OsStr::as_encoded_bytes));
        let entries = fs::read_dir(&self.place.folder).into_iter().flatten();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_rubbish = starts
                .iter()
                .flatten()
                .any(|start| name.as_encoded_bytes().starts_with(start));
            if is_rubbish && !is_in_use(&entry.path()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Returns whether a worker holds the root.
fn is_in_use(path: &Path) -> bool {
    let Ok(directory) = File::open(path) else {
        return false;
    };
    matches!(directory.try_lock(), Err(TryLockError::WouldBlock))
}

/// A directory for a new root. Dropping it removes it, unless it was moved to its place.
struct Fresh(PathBuf);

impl Fresh {
    fn make(path: PathBuf) -> Result<Self> {
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(Error::io("make", &path))?;
        let fresh = Self(path);
        // Not by the mode above, which the process's umask cuts.
        let opened = fs::set_permissions(&fresh.0, Permissions::from_mode(0o755));
        opened.map_err(Error::io("set the mode of", &fresh.0))?;
        Ok(fresh)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // It is not there if all went well.
        let _ = fs::remove_dir_all(&self.0);
    }
}
