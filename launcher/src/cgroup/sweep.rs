//! Removes the groups of launchers that are gone.
//!
//! A launcher holds a lock (`flock`) on its group's directory in the first hierarchy, which its templates
//! inherit: the kernel releases it with the last of them, however they end. So a group that can be locked
//! belongs to nobody. The lock is on the group itself and needs no file elsewhere, hence no agreement
//! about a path between containers that share a host.

use std::path::Path;

use super::error::Result;
use super::folder::Folder;
use super::host::{self, Parents};
use super::{names, removal};

/// A sweeper of the groups below one parent, which it has opened: it needs no path any more, and so
/// still works for a process that has given up most of its rights.
pub struct Sweeper {
    parents: Parents,
}

impl Sweeper {
    /// Opens the delegated groups (`base` as for `Groups::prepare`), before this process is moved to another.
    ///
    /// # Errors
    ///
    /// As for `Groups::prepare`.
    pub fn open(base: Option<&Path>) -> Result<Self> {
        let parents = host::find(base)?;
        Ok(Self { parents })
    }

    /// Removes the groups of launchers that are gone, with every process in them. Returns the number of
    /// their sandboxes. A launcher is gone when nobody holds the lock on its group: neither it nor
    /// a template.
    ///
    /// # Errors
    ///
    /// If one cannot be removed; all others are then removed nevertheless.
    pub fn sweep(&self) -> Result<u32> {
        all(&self.parents)
    }
}

/// The state of an instance's groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swept {
    /// A living launcher has them.
    Held,
    /// They are gone, with this many sandboxes.
    Gone(u32),
}

/// Removes the groups of every dead launcher below the parents. Returns the number of their sandboxes.
///
/// # Errors
///
/// The first failure, once each launcher's groups have been tried.
pub(super) fn all(parents: &Parents) -> Result<u32> {
    let mut swept = 0_u32;
    let mut failure = None;
    for name in homes(parents)? {
        match one(parents, &name) {
            Ok(Swept::Gone(sandboxes)) => swept = swept.saturating_add(sandboxes),
            Ok(Swept::Held) => {}
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(swept), Err)
}

/// Removes the groups of one launcher if it is dead.
pub(super) fn one(parents: &Parents, name: &str) -> Result<Swept> {
    let (first, others) = parents.folders();
    let home = match first.folder(name) {
        Ok(home) => home,
        Err(error) if error.is_missing() && !others.iter().any(|other| other.has(name)) => {
            return Ok(Swept::Gone(0));
        }
        // A launcher makes the first one first and it is removed last, so the others are remains. It is made
        // again for its lock: a launcher of this name that begins meanwhile must not lose what it makes.
        Err(error) if error.is_missing() => match first.ensure(name) {
            Ok(home) => home,
            // A launcher that is confined makes none. The next one's start does.
            Err(_) => return Ok(Swept::Held),
        },
        Err(error) => return Err(error),
    };
    if !home.lock()? || !first.still_has(name, &home)? {
        return Ok(Swept::Held);
    }
    // Each is tried, whatever becomes of the others.
    let (elsewhere, here) = (clear_all(&others, name), clear(first, name));
    // The same sandboxes, but for one that was being made or removed.
    Ok(Swept::Gone(here?.max(elsewhere?)))
}

/// Returns the names of all launchers' groups. The first hierarchy is read last: a launcher that is being
/// made meanwhile is then seen there too.
fn homes(parents: &Parents) -> Result<Vec<String>> {
    let (first, others) = parents.folders();
    let mut names = Vec::new();
    for parent in others.into_iter().chain([first]) {
        names.extend(
            parent
                .folders()?
                .into_iter()
                .filter(|name| names::is_home(name)),
        );
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn clear_all(parents: &[&Folder], name: &str) -> Result<u32> {
    let counts: Vec<_> = parents.iter().map(|parent| clear(parent, name)).collect();
    let counts = counts.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(counts.into_iter().max().unwrap_or(0))
}

/// Kills and removes all in one launcher's group, and the group. Returns the number of its sandboxes.
fn clear(parent: &Folder, name: &str) -> Result<u32> {
    let home = match parent.folder(name) {
        Ok(home) => home,
        Err(error) if error.is_missing() => {
            return Ok(0);
        }
        Err(error) => return Err(error),
    };
    let (mut sandboxes, mut failure) = (0, None);
    for group in home.folders()? {
        // A launcher that ends is in one of them itself (version 2): the others go nevertheless.
        let cleared = removal::kill(&home, &group).and_then(|()| removal::remove(&home, &group));
        match cleared {
            Ok(()) => sandboxes += u32::from(names::is_sandbox(&group)),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    removal::kill(parent, name)?;
    removal::remove(parent, name)?;
    Ok(sandboxes)
}
