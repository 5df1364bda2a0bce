//! Examines a root before it is used.

mod stamp;
mod walk;

use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use self::stamp::Stamp;
use self::walk::{Owners, unreadable, walk};
use crate::additions::{Addition, MOUNT_POINTS, RUNNER, recipe_of};
use crate::faults::{Faults, Problem};
use crate::provenance::{LONGEST, PLACE, Provenance};

/// The most attempts at a root that is replaced at the same moment.
const ATTEMPTS: usize = 5;

/// A root that is fit for use. As long as this lives, an import moves it aside at most, and does not
/// remove it.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    provenance: Provenance,
    /// Holds a shared lock.
    directory: File,
}

impl Root {
    /// Returns its path, which another root may have by now. [`Root::directory`] stays this one.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its open directory.
    #[must_use]
    pub fn directory(&self) -> &File {
        &self.directory
    }

    /// Returns the record of its import.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }
}

/// Checks a root, which has to have these additions. Looks at every file once and remembers that until
/// the machine starts again; at the runner and the mount points, each time.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(path: &Path, additions: &[Addition<'_>]) -> Result<Root, Faults> {
    look(path, additions, Memory::Used)
}

/// Checks a root as [`check`] does, and looks at every file whatever is remembered.
///
/// # Errors
/// Everything that is wrong with it.
pub fn examine(path: &Path, additions: &[Addition<'_>]) -> Result<Root, Faults> {
    look(path, additions, Memory::Renewed)
}

/// Checks a root that is not in its place yet, and leaves nothing in it.
pub(crate) fn verify(path: &Path, additions: &[Addition<'_>]) -> Result<(), Faults> {
    look(path, additions, Memory::None).map(drop)
}

/// Returns the record of the root that is there; `None` if there is none that was imported.
pub(crate) fn provenance_of(path: &Path) -> Option<Provenance> {
    let file = File::open(path.join(PLACE.trim_start_matches('/'))).ok()?;
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    Provenance::parse(&text)
}

/// The use of a stamp.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// One that is there makes the walk unnecessary.
    Used,
    /// A new one is left.
    Renewed,
    /// None is left.
    None,
}

fn look(path: &Path, additions: &[Addition<'_>], memory: Memory) -> Result<Root, Faults> {
    let directory = hold(path).map_err(|problem| Faults::one(path, problem))?;
    let Some(provenance) = provenance_of(path) else {
        return Err(Faults::one(path, Problem::NoRecord));
    };
    let recipe = recipe_of(additions);
    let mut faults = Faults::none(path);
    if provenance.recipe != recipe {
        faults.add(path.to_owned(), Problem::Outdated);
    }
    outside(path, &directory, &mut faults);
    runner(path, additions, &mut faults);
    let stamp = Stamp::of(&directory, &recipe);
    let is_remembered =
        memory == Memory::Used && stamp.as_ref().is_some_and(|stamp| stamp.is_on(path));
    if !is_remembered {
        walk(path, &directory, &mut faults);
    }
    if !faults.is_none() {
        Stamp::remove_from(path);
        return Err(faults);
    }
    if let (Some(stamp), false) = (stamp, is_remembered || memory == Memory::None) {
        stamp.leave_on(path);
    }
    Ok(Root {
        path: path.to_owned(),
        provenance,
        directory,
    })
}

/// Opens the root and keeps it from being removed.
fn hold(path: &Path) -> Result<File, Problem> {
    for _ in 0..ATTEMPTS {
        let directory = match File::open(path) {
            Ok(directory) => directory,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Problem::Missing);
            }
            Err(error) => return Err(Problem::Unreadable(error.to_string())),
        };
        let held = match directory.try_lock_shared() {
            Err(TryLockError::WouldBlock) => continue,
            // A file system without locks: nobody replaces what is used there.
            Ok(()) | Err(TryLockError::Error(_)) => directory,
        };
        // It may have been replaced between the two calls.
        let identity = |found: fs::Metadata| (found.dev(), found.ino());
        let now = fs::metadata(path).map(identity);
        let own = held.metadata().map(identity);
        if let (Ok(now), Ok(own)) = (now, own)
            && now == own
        {
            return Ok(held);
        }
    }
    Err(Problem::Going)
}

/// Looks at the root's own directory, and for the mount points in it.
fn outside(path: &Path, directory: &File, faults: &mut Faults) {
    match statat(directory, ".", AtFlags::empty()) {
        Ok(found) => {
            for problem in Owners::of_process().judge(&found, false) {
                faults.add(path.to_owned(), problem);
            }
        }
        Err(error) => faults.add(path.to_owned(), unreadable(error)),
    }
    for point in MOUNT_POINTS {
        let relative = point.trim_start_matches('/');
        let shown = path.join(relative);
        match statat(directory, relative, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => {}
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => faults.add(shown, Problem::NoMountPoint),
            Err(error) => faults.add(shown, unreadable(error)),
        }
    }
}

/// Compares the runner with this build's.
fn runner(path: &Path, additions: &[Addition<'_>], faults: &mut Faults) {
    let place = path.join(RUNNER.trim_start_matches('/'));
    let wanted = additions.iter().find_map(|addition| match addition {
        Addition::File { at, content, .. } if *at == RUNNER => Some(&content[..]),
        _ => None,
    });
    let wanted = wanted.unwrap_or_default();
    let mut found = Vec::new();
    // A pipe would keep the reader waiting.
    let is_file = fs::symlink_metadata(&place).is_ok_and(|found| found.is_file());
    let is_read = is_file
        && File::open(&place).is_ok_and(|file| {
            let most = wanted.len() as u64 + 1;
            file.take(most).read_to_end(&mut found).is_ok()
        });
    if !is_read || found != wanted {
        faults.add(place, Problem::OtherRunner);
    }
}
