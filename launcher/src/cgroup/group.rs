//! One sandbox's control groups, from being made to being removed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::controller::Controller;
use super::error::{Error, Result};
use super::folder::Folder;
use super::homes::{Home, Homes, Version};
use super::policy::field;
use super::{cpus, names, removal, v1, v2};
use crate::wire::{Consumed, Limits};

/// The groups of one sandbox, one in each hierarchy. Dropping them leaves them there: only
/// [`Group::remove`] can report that it failed.
#[derive(Debug)]
pub struct Group {
    homes: Arc<Homes>,
    name: String,
    way: Way,
}

/// The way in which a process joins, with what it takes.
#[derive(Debug)]
enum Way {
    Into(OwnedFd),
    Write(Vec<OwnedFd>),
}

/// The way in which a process joins a sandbox's groups.
#[derive(Clone, Copy, Debug)]
pub enum Join<'a> {
    /// It is cloned into this directory (`CLONE_INTO_CGROUP`).
    Into(BorrowedFd<'a>),
    /// It writes `0` to each of these files. They are `tasks` files, so it must have one thread only.
    Write(&'a [OwnedFd]),
}

impl Group {
    /// Makes the groups and sets their limits. On failure nothing of it is left.
    pub(super) fn make(homes: &Arc<Homes>, name: &str, limits: &Limits, cpu: u32) -> Result<Self> {
        let name = names::sandbox(name)?;
        let mut made = Vec::with_capacity(homes.list.len());
        match Self::try_make(homes, name, limits, cpu, &mut made) {
            Ok(way) => Ok(Self {
                homes: Arc::clone(homes),
                name: name.to_owned(),
                way,
            }),
            Err(error) => {
                for home in made {
                    // The first failure is the one to report. The next launcher sweeps what stays.
                    let _ = removal::remove(home, name);
                }
                Err(error)
            }
        }
    }

    fn try_make<'a>(
        homes: &'a Homes,
        name: &str,
        limits: &Limits,
        cpu: u32,
        made: &mut Vec<&'a Folder>,
    ) -> Result<Way> {
        let mut make = |folder: &'a Folder| {
            folder.make(name)?;
            made.push(folder);
            Ok(())
        };
        match &homes.version {
            Version::V1 { cpuset, cores } => {
                let core = cores
                    .get(&cpu)
                    .ok_or_else(|| cpus::missing(cpu, cpuset, cores))?;
                let mut files = Vec::with_capacity(homes.list.len() + 1);
                for home in &homes.list {
                    make(&home.folder)?;
                    files.push(v1::limit(home, name, limits)?);
                }
                files.push(cpuset.duplicate(core)?);
                Ok(Way::Write(files))
            }
            Version::V2 { swap } => {
                let [home] = &homes.list[..] else {
                    return Err(Error::NoGroups);
                };
                make(&home.folder)?;
                let group = v2::limit(home, *swap, name, limits, cpu)?;
                Ok(Way::Into(group.into_fd()))
            }
        }
    }

    /// Returns the way in which the sandbox's first process joins.
    #[must_use]
    pub fn join(&self) -> Join<'_> {
        match &self.way {
            Way::Into(directory) => Join::Into(directory.as_fd()),
            Way::Write(files) => Join::Write(files),
        }
    }

    /// Reads the resources that the sandbox has used so far.
    ///
    /// # Errors
    ///
    /// If the kernel does not show one of them, which is so only once the group is gone.
    pub fn consumed(&self) -> Result<Consumed> {
        match &self.homes.version {
            Version::V1 { .. } => v1::consumed(&self.homes, &self.name),
            Version::V2 { .. } => v2::consumed(&self.homes.list[0].folder, &self.name),
        }
    }

    /// Returns whether the kernel has killed one of its processes for lack of memory.
    ///
    /// # Errors
    ///
    /// If the kernel does not show it, which is so only once the group is gone.
    pub fn ran_out_of_memory(&self) -> Result<bool> {
        let folder = self.homes.with(Controller::Memory)?;
        let file = match &self.homes.version {
            Version::V1 { .. } => "memory.oom_control",
            Version::V2 { .. } => "memory.events",
        };
        let file = format!("{}/{file}", self.name);
        let text = folder.read(&file)?;
        field(&text, "oom_kill")
            .map(|kills| kills > 0)
            .ok_or_else(|| folder.strange(&file, &text))
    }

    /// Kills all its processes, and waits until they are gone.
    ///
    /// # Errors
    ///
    /// If one is still there after 5 s.
    pub fn kill(&self) -> Result<()> {
        let each = |home: &Home| removal::kill(&home.folder, &self.name);
        self.homes.list.iter().try_for_each(each)
    }

    /// Removes the groups. All processes must have ended; the kernel may take a moment longer.
    ///
    /// # Errors
    ///
    /// If one of them is still busy after 1 s. It then stays, and so must the sandbox's user.
    pub fn remove(self) -> Result<()> {
        let results = self
            .homes
            .list
            .iter()
            .map(|home| removal::remove(&home.folder, &self.name));
        // Each is tried before the first failure is reported.
        results.collect::<Vec<_>>().into_iter().collect()
    }
}
