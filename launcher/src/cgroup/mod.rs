//! The control groups of sandboxes: made, limited, joined, read, removed, swept.
//!
//! A launcher has one group of its own, `warren-INSTANCE`, in the group that is delegated to it; each of
//! its sandboxes gets a fresh one in there. Fresh, because a quota's debt, a peak or pages that are still
//! charged would otherwise pass from one job to the next. A limit that the kernel does not take, or
//! a controller that is missing, is an error: there is no sandbox with fewer limits.
//!
//! Version 1 has a directory in each hierarchy, version 2 one for all. On a hybrid host, whose controllers
//! are on version 1 hierarchies beside a version 2 one without any, version 1 it is.

mod controller;
mod cpus;
mod error;
mod folder;
mod group;
mod homes;
mod host;
mod mounts;
mod names;
mod origin;
mod policy;
mod removal;
mod sweep;
mod v1;
mod v2;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub use controller::Controller;
pub use error::{Error, Result};
use folder::Folder;
pub use group::{Group, Join};
pub use homes::CgroupMount;
use homes::{Homes, Version};
use host::Parents;
pub use sweep::Sweeper;
use sweep::Swept;

use crate::wire::Limits;

/// The attempts to make and lock the launcher's group, which another launcher's sweep can take for
/// a dead one's in between.
const ATTEMPTS: u32 = 50;

/// The pause between them.
const BETWEEN: Duration = Duration::from_millis(10);

/// The limits of the sandbox that is made for trial.
const TRIAL: Limits = Limits {
    memory: 16 << 20,
    cpu_percent: 50,
    pids: 8,
    open_files: 16,
    scratch: 1 << 20,
};

/// A launcher's control groups.
#[derive(Clone, Debug)]
pub struct Groups {
    homes: Arc<Homes>,
}

impl Groups {
    /// Makes `warren-INSTANCE` in the delegated group, and tries it with a sandbox's group.
    ///
    /// `base` is the delegated group, as a path below the hierarchy's mount (for version 1: below each);
    /// it is made if it is missing. Without one it is the group that this process is in. `owner` is the
    /// user and group on the host that the launcher will be, for one without root.
    ///
    /// With version 2 this process is moved to `warren-INSTANCE/launcher`. If `base` is not given, the
    /// other processes of its group, such as the worker, are moved to `launcher` beside it, because
    /// a group with processes cannot have children with controllers.
    ///
    /// # Errors
    ///
    /// Each [`Error`] says what to do. In particular if a controller is missing, a limit or a directory
    /// cannot be written, the kernel does not limit swap, or a living launcher has the instance's groups.
    pub fn prepare(base: Option<&Path>, instance: &str, owner: Option<(u32, u32)>) -> Result<Self> {
        let name = names::home(instance)?;
        let parents = host::find(base)?;
        Self::prepare_in(&parents, &name, owner).inspect_err(|_| {
            // The lock is free again. The first failure is the one to report, and the next launcher
            // sweeps what stays.
            let _ = sweep::one(&parents, &name);
        })
    }

    fn prepare_in(parents: &Parents, name: &str, owner: Option<(u32, u32)>) -> Result<Self> {
        let (first, _) = parents.folders();
        let home = claim(parents, first, name)?;
        let homes = match parents {
            Parents::V1(first, others) => v1::prepare((first, home), others, name, owner)?,
            Parents::V2(parent, origin) => v2::prepare(parent, *origin, home, owner)?,
        };
        let groups = Self {
            homes: Arc::new(homes),
        };
        groups.attempt()?;
        Ok(groups)
    }

    /// Removes the groups of launchers that are gone, with every process in them. Returns the number of
    /// their sandboxes. A launcher is gone when nobody holds the lock on its group: neither it nor
    /// a template.
    ///
    /// # Errors
    ///
    /// If one cannot be removed; all others are then removed nevertheless.
    pub fn sweep(base: Option<&Path>) -> Result<u32> {
        sweep::all(&host::find(base)?)
    }

    /// Returns the version of the control groups: 1 or 2.
    #[must_use]
    pub fn version(&self) -> u8 {
        match self.homes.version {
            Version::V1 { .. } => 1,
            Version::V2 { .. } => 2,
        }
    }

    /// Makes a sandbox's groups, which must not exist yet, with all its limits.
    ///
    /// # Errors
    ///
    /// If the kernel refuses any of it; nothing is left then.
    pub fn make(&self, name: &str, limits: &Limits, cpu: u32) -> Result<Group> {
        Group::make(&self.homes, name, limits, cpu)
    }

    /// Returns the mounts that show a sandbox its own groups, once it is in them and in a new namespace of
    /// control groups. The runner and Node read their limits there.
    #[must_use]
    pub fn view(&self) -> &[CgroupMount] {
        &self.homes.view
    }

    /// Returns the number of removed sandboxes that the kernel still holds, because memory is charged to
    /// them. Version 1 does not count them.
    #[must_use]
    pub fn dying(&self) -> Option<u64> {
        match self.homes.version {
            Version::V1 { .. } => None,
            Version::V2 { .. } => v2::dying(&self.homes.list.first()?.folder),
        }
    }

    /// Makes a group and removes it, so that a limit that cannot be set is found at the start.
    fn attempt(&self) -> Result<()> {
        let cpu = match &self.homes.version {
            Version::V1 { cores, .. } => cores.keys().next().copied(),
            Version::V2 { .. } => v2::first_cpu(&self.homes)?,
        };
        let trial = self.make("trial", &TRIAL, cpu.unwrap_or(0))?;
        let shown = trial.consumed().and(trial.ran_out_of_memory());
        trial.remove().and(shown.map(drop))
    }
}

/// Makes and locks a launcher's group in the first hierarchy, after what a dead one of the same name has
/// left.
fn claim(parents: &Parents, first: &Folder, name: &str) -> Result<Folder> {
    for _ in 0..ATTEMPTS {
        if let Swept::Gone(_) = sweep::one(parents, name)? {
            match first.ensure(name) {
                Ok(home) if home.lock()? && first.still_has(name, &home)? => return Ok(home),
                // Another launcher's sweep was quicker.
                Ok(_) => {}
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        thread::sleep(BETWEEN);
    }
    Err(Error::Held(first.path().join(name)))
}
