//! Remembers that a root has been walked, so that the next start need not.
//!
//! A walk looks at each file, which nothing cheaper replaces: a mode that changes deep inside shows
//! nowhere else. So a stamp says only that this very directory was walked since the machine started.
//! Everything in it is writable by its owner alone, who could as well write the stamp. A worker that
//! is not the owner walks at each start.

use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use std::io::Write;

use crate::hash;

/// The stamp's place in a root. Only its owner may read it: programs need not.
const PLACE: &str = ".warren/checked";
/// The version of the walk; it grows with every rule.
const RULES: u32 = 1;
/// The machine's start, as the kernel names it.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A stamp for a root, as its directory is now.
#[derive(PartialEq, Eq)]
pub(super) struct Stamp(String);

impl Stamp {
    /// Returns the stamp that a walk now would leave; `None` if the machine has no name for its start.
    pub(super) fn of(directory: &fs::File, recipe: &str) -> Option<Self> {
        let boot = fs::read_to_string(BOOT).ok()?;
        let found = directory.metadata().ok()?;
        let key = (
            RULES,
            boot.trim(),
            found.dev(),
            found.ino(),
            found.ctime(),
            found.ctime_nsec(),
            recipe,
        );
        Some(Self(hash::of(format!("{key:?}").as_bytes())))
    }

    /// Returns whether a walk has left it in the root.
    pub(super) fn is_on(&self, root: &Path) -> bool {
        fs::read_to_string(root.join(PLACE)).is_ok_and(|found| found == self.0)
    }

    /// Takes away what an earlier walk left.
    pub(super) fn remove_from(root: &Path) {
        let _ = fs::remove_file(root.join(PLACE));
    }

    /// Leaves it in the root. Where that fails (a root that is read-only, or somebody else's), the
    /// next start walks again.
    pub(super) fn leave_on(&self, root: &Path) {
        let (new, place) = (root.join(format!("{PLACE}.new")), root.join(PLACE));
        let _ = fs::remove_file(&new);
        let written = fs::File::options()
            .create_new(true)
            .write(true)
            .mode(0o400)
            .open(&new)
            .and_then(|mut file| file.write_all(self.0.as_bytes()))
            .and_then(|()| fs::rename(&new, place));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
    }
}
