//! The scratch directory: emptied of whatever the last program left, however hostile, and given
//! the source file. No program is alive meanwhile.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, chmodat, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::error::{Doing, Error};

/// Where programs may write, and where they are started.
pub(crate) const PATH: &str = "/tmp";

/// Entries read at once: a name has up to 255 bytes.
const LISTING: usize = 32 * 1024;

/// The scratch directory, open.
pub(crate) struct Scratch {
    dir: OwnedFd,
    /// The last number given to a directory that was moved up.
    moved: u64,
}

impl Scratch {
    /// # Errors
    /// The container was not started as it should be.
    pub(crate) fn open() -> Result<Self, Error> {
        Self::open_at(PATH)
    }

    fn open_at(path: &str) -> Result<Self, Error> {
        let dir = open_directory(CWD, path).doing("opening the scratch directory")?;
        Ok(Self { dir, moved: 0 })
    }

    /// Removes everything in it.
    ///
    /// # Errors
    /// [`Error::ScratchStuck`] if that takes until `give_up`, or a failed system call.
    pub(crate) fn empty(&mut self, give_up: Instant) -> Result<(), Error> {
        // Each pass removes what lies in the directory, and moves what lies one deeper up into
        // it. So no tree is too deep for the stack, the open files or a path's length.
        loop {
            let top = self
                .dir
                .try_clone()
                .doing("listing the scratch directory")?;
            let directories = self.remove_files(&top, give_up)?;
            if directories.is_empty() {
                return Ok(());
            }
            for directory in directories {
                self.dissolve(&directory, give_up)?;
            }
        }
    }

    /// Writes a new file into it.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let what = "writing the source file";
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        let file = openat(&self.dir, name, flags, mode).doing(what)?;
        File::from(file).write_all(content).doing(what)
    }

    /// Removes a directory that lies at the top, after moving its directories there.
    fn dissolve(&mut self, name: &CStr, give_up: Instant) -> Result<(), Error> {
        let what = "opening a directory that a program left";
        // Its owner may have closed it, to list or to change. There is no symbolic link at its
        // name, or it would not be on the list of directories.
        chmodat(&self.dir, name, Mode::RWXU, AtFlags::empty()).doing(what)?;
        let directory = open_directory(&self.dir, name).doing(what)?;
        for inner in self.remove_files(&directory, give_up)? {
            // To move a directory is to change it: its `..` becomes another.
            chmodat(&directory, inner.as_c_str(), Mode::RWXU, AtFlags::empty()).doing(what)?;
            self.move_up(&directory, &inner)?;
        }
        unlinkat(&self.dir, name, AtFlags::REMOVEDIR).doing("removing a directory")
    }

    /// Moves a directory to the top, under a name that nothing there has. An empty directory of
    /// that name would be replaced, which is as well.
    fn move_up(&mut self, from: &OwnedFd, name: &CStr) -> Result<(), Error> {
        loop {
            self.moved += 1;
            match renameat(from, name, &self.dir, format!("{}", self.moved)) {
                Ok(()) => return Ok(()),
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                Err(error) => return Err(error).doing("moving a directory"),
            }
        }
    }

    /// Removes everything but directories from an open directory, and returns those.
    fn remove_files(&self, directory: &OwnedFd, give_up: Instant) -> Result<Vec<CString>, Error> {
        let what = "removing what a program left";
        let mut directories = Vec::new();
        let mut buffer = vec![MaybeUninit::uninit(); LISTING];
        rustix::fs::seek(directory, rustix::fs::SeekFrom::Start(0)).doing(what)?;
        let mut entries = RawDir::new(directory.as_fd(), &mut buffer);
        while let Some(entry) = entries.next() {
            if Instant::now() >= give_up {
                return Err(Error::ScratchStuck);
            }
            let entry = entry.doing(what)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            match unlinkat(directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::ISDIR) => directories.push(name.to_owned()),
                Err(error) => return Err(error).doing(what),
            }
        }
        Ok(directories)
    }
}

fn open_directory(at: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}
