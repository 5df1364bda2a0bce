//! The scratch directory: emptied before each run, however hostile its content, and given the source.
//! `/dev/shm`, the other place that a program can write to, is emptied with it.
//!
//! No program is alive meanwhile.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, SeekFrom, chmodat, fstatvfs, mknodat, openat,
    renameat, unlinkat,
};
use rustix::io::Errno;

use crate::error::{Doing, Error};
use crate::in_flight;

/// The directory that programs may write, and are started in.
pub(crate) const PATH: &str = "/tmp";

/// The directory in which the C library keeps shared memory and named semaphores.
const SHARED_MEMORY: &str = "/dev/shm";

/// The source file's permissions: readable by all, like any file that a person writes.
const SOURCE_MODE: Mode = Mode::from_raw_mode(0o644);

/// The buffer for directory entries, in bytes: a name has up to 255.
const LISTING: usize = 32 * 1024;

/// The longest wait for the kernel to free files that no process holds any more. Its collector needs
/// some 20 ms once it is woken.
const COLLECTED: Duration = Duration::from_millis(200);

/// The pause between two looks at what is free.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The scratch directory, open.
pub(crate) struct Scratch {
    dir: OwnedFd,
    /// The space that was free while no program had run.
    whole: Free,
    /// The last number given to a directory that was moved up.
    moved: u64,
    /// The directory that is emptied with it.
    companion: Option<Box<Self>>,
}

impl Scratch {
    /// Opens it.
    ///
    /// # Errors
    /// The container was not started as it should be.
    pub(crate) fn open() -> Result<Self, Error> {
        let mut scratch = Self::open_at(PATH)?;
        scratch.companion = Some(Box::new(Self::open_at(SHARED_MEMORY)?));
        Ok(scratch)
    }

    fn open_at(path: &str) -> Result<Self, Error> {
        let dir = open_directory(CWD, path).doing("opening the scratch directory")?;
        let whole = Free::of(&dir)?;
        Ok(Self {
            dir,
            whole,
            moved: 0,
            companion: None,
        })
    }

    /// Removes everything in it and its companion.
    ///
    /// # Errors
    /// [`Error::ScratchStuck`] if that takes until `give_up`, or a failed system call.
    pub(crate) fn empty(&mut self, give_up: Instant) -> Result<(), Error> {
        if let Some(companion) = &mut self.companion {
            companion.empty(give_up)?;
        }
        // Each pass removes the directory's files, and moves directories from one level deeper up
        // into it. So no tree is too deep for the stack, the open files or a path's length.
        let what = "listing the scratch directory";
        let top = self.dir.try_clone().doing(what)?;
        loop {
            let found = remove_files(&top, give_up)?;
            for directory in &found.directories {
                self.dissolve(directory, give_up)?;
            }
            if found.is_nothing() {
                return Ok(());
            }
        }
    }

    /// Waits until the empty directory's space is free again. Files that a program sent over sockets
    /// which it sent over each other belong to no process, and stay until the kernel's collector of
    /// such cycles finds them.
    ///
    /// # Errors
    /// [`Error::ScratchStuck`] if that takes until `give_up` or too long, or a failed system call.
    pub(crate) fn reclaim(&self, give_up: Instant) -> Result<(), Error> {
        let give_up = give_up.min(Instant::now() + COLLECTED);
        loop {
            let is_whole = Free::of(&self.dir)?.is_at_least(self.whole);
            if is_whole && !in_flight::is_anything() {
                return Ok(());
            }
            if Instant::now() >= give_up {
                // Without the directory's space there is no run. Other things in flight hold memory,
                // which may yet be enough.
                return is_whole.then_some(()).ok_or(Error::ScratchStuck);
            }
            in_flight::collect();
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Writes a new file into it.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let what = "writing the source file";
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.dir, name, flags, SOURCE_MODE).doing(what)?;
        File::from(file).write_all(content).doing(what)
    }

    /// Puts a FIFO where the source file will be: opening it to read waits for a writer.
    pub(crate) fn make_fifo(&self, name: &str) -> Result<(), Error> {
        mknodat(&self.dir, name, FileType::Fifo, SOURCE_MODE, 0).doing("making the source FIFO")
    }

    /// Opens the FIFO's writing end if a reader waits: only then can it be opened like this. Never
    /// blocks.
    pub(crate) fn open_fifo(&self, name: &str) -> Result<Option<OwnedFd>, Error> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(fifo) => Ok(Some(fifo)),
            Err(Errno::NXIO | Errno::INTR) => Ok(None),
            Err(error) => Err(error).doing("opening the source FIFO"),
        }
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        unlinkat(&self.dir, name, AtFlags::empty()).doing("removing the source FIFO's name")
    }

    /// Removes a directory that lies at the top, after moving its directories there.
    fn dissolve(&mut self, name: &CStr, give_up: Instant) -> Result<(), Error> {
        let what = "opening a directory that a program left";
        // The program may have taken the permission to list or change it. Its name is no symbolic
        // link, or it would not be on the list of directories.
        chmodat(&self.dir, name, Mode::RWXU, AtFlags::empty()).doing(what)?;
        let directory = open_directory(&self.dir, name).doing(what)?;
        loop {
            let found = remove_files(&directory, give_up)?;
            for inner in &found.directories {
                // To move a directory is to change it: its `..` becomes another.
                chmodat(&directory, inner.as_c_str(), Mode::RWXU, AtFlags::empty()).doing(what)?;
                self.move_up(&directory, inner)?;
            }
            if found.is_nothing() {
                break;
            }
        }
        unlinkat(&self.dir, name, AtFlags::REMOVEDIR).doing("removing a directory")
    }

    /// Moves a directory to the top, under a name that nothing there has. An empty directory of
    /// that name would be replaced, which does no harm.
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
}

/// The free space of a file system.
#[derive(Clone, Copy)]
struct Free {
    blocks: u64,
    inodes: u64,
}

impl Free {
    fn of(dir: &OwnedFd) -> Result<Self, Error> {
        let all = fstatvfs(dir).doing("asking how full the scratch directory is")?;
        Ok(Self {
            blocks: all.f_bfree,
            inodes: all.f_ffree,
        })
    }

    fn is_at_least(self, other: Self) -> bool {
        self.blocks >= other.blocks && self.inodes >= other.inodes
    }
}

/// The findings of one listing of a directory.
#[derive(Default)]
struct Found {
    files: usize,
    directories: Vec<CString>,
}

impl Found {
    fn is_nothing(&self) -> bool {
        self.files == 0 && self.directories.is_empty()
    }
}

/// Removes everything but directories from an open directory, and returns their names. A listing
/// that changes while it is read may miss entries, so the caller repeats until one finds nothing.
fn remove_files(directory: &OwnedFd, give_up: Instant) -> Result<Found, Error> {
    let what = "removing what a program left";
    let mut found = Found::default();
    let mut buffer = Vec::with_capacity(LISTING);
    rustix::fs::seek(directory, SeekFrom::Start(0)).doing(what)?;
    let mut entries = RawDir::new(directory.as_fd(), buffer.spare_capacity_mut());
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
            Ok(()) => found.files += 1,
            Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => found.directories.push(name.to_owned()),
            Err(error) => return Err(error).doing(what),
        }
    }
    Ok(found)
}

fn open_directory(at: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::*;

    fn scratch(path: &Path) -> Scratch {
        Scratch::open_at(path.to_str().unwrap()).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn is_empty(path: &Path) -> bool {
        fs::read_dir(path).unwrap().next().is_none()
    }

    #[test]
    fn removes_a_tree_that_is_deeper_than_any_path() {
        let home = tempfile::tempdir().unwrap();
        // `bottom` is moved down below a new directory again and again: no path is ever long.
        let (bottom, next) = (home.path().join("bottom"), home.path().join("next"));
        fs::create_dir(&bottom).unwrap();
        for _ in 0..500 {
            fs::create_dir(&next).unwrap();
            fs::write(next.join("file"), "x").unwrap();
            fs::rename(&bottom, next.join("d".repeat(50))).unwrap();
            fs::rename(&next, &bottom).unwrap();
        }
        scratch(home.path()).empty(soon()).unwrap();
        assert!(is_empty(home.path()));
    }

    #[test]
    fn removes_closed_directories_and_those_whose_names_collide() {
        let home = tempfile::tempdir().unwrap();
        for name in ["1", "2", "3"] {
            fs::create_dir_all(home.path().join(name).join("1/2/3")).unwrap();
            fs::write(home.path().join(name).join("4"), "x").unwrap();
        }
        fs::write(home.path().join("4"), "x").unwrap();
        fs::create_dir(home.path().join("5")).unwrap();
        for closed in ["1/1/2/3", "1/1/2", "1/1", "1", "2/1", "5"] {
            let mode = fs::Permissions::from_mode(0o0);
            fs::set_permissions(home.path().join(closed), mode).unwrap();
        }
        scratch(home.path()).empty(soon()).unwrap();
        assert!(is_empty(home.path()));
    }

    #[test]
    fn removes_links_and_not_what_they_point_to() {
        let (home, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("kept"), "x").unwrap();
        symlink(outside.path(), home.path().join("out")).unwrap();
        fs::create_dir(home.path().join("inner")).unwrap();
        symlink(outside.path(), home.path().join("inner/out")).unwrap();
        symlink("loop", home.path().join("loop")).unwrap();
        scratch(home.path()).empty(soon()).unwrap();
        assert!(is_empty(home.path()));
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn gives_up_in_time() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "x").unwrap();
        let stuck = scratch(home.path()).empty(Instant::now());
        assert!(matches!(stuck, Err(Error::ScratchStuck)));
    }

    #[test]
    fn writes_a_new_file_and_never_into_an_old_one() {
        let home = tempfile::tempdir().unwrap();
        let scratch = scratch(home.path());
        scratch.write("main.py", b"print()").unwrap();
        assert_eq!(fs::read(home.path().join("main.py")).unwrap(), b"print()");
        symlink("main.py", home.path().join("link")).unwrap();
        assert!(scratch.write("main.py", b"x").is_err());
        assert!(scratch.write("link", b"x").is_err());
    }
}
