//! Finds the version of the host's control groups, and the parent group delegated to Warren.

use std::path::{Component, Path, PathBuf};

use super::controller::Controller;
use super::error::{Error, Result};
use super::folder::Folder;
use super::mounts::{self, Hierarchy};
use super::names;
use super::origin::{Origin, parts};
use super::{cpus, v2};

/// The kinds of file system by which `statfs` tells a control group from a directory that hides it
/// (linux/magic.h).
const CGROUP_SUPER_MAGIC: u64 = 0x0027_e0eb;
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;

/// The parent groups, by the version of the host's control groups.
pub(super) enum Parents {
    /// One for each hierarchy, the one with `memory` apart: it has the lock.
    V1(Parent, Vec<Parent>),
    /// The only one.
    V2(Folder, Origin),
}

/// The parent group in one hierarchy of version 1.
pub(super) struct Parent {
    /// Its directory.
    pub(super) folder: Folder,
    /// The controllers of [`Controller::V1`] that the hierarchy has.
    pub(super) controllers: Vec<Controller>,
    /// All of the hierarchy's controllers, as a mount names them.
    pub(super) options: String,
}

impl Parents {
    /// Returns the parent in the hierarchy with the lock, and the others.
    pub(super) fn folders(&self) -> (&Folder, Vec<&Folder>) {
        match self {
            Self::V1(first, others) => (
                &first.folder,
                others.iter().map(|parent| &parent.folder).collect(),
            ),
            Self::V2(parent, _) => (parent, Vec::new()),
        }
    }
}

/// Finds the parent groups. Controllers on version 1 hierarchies win, since a controller is only in
/// one place. Makes a named parent that is missing.
pub(super) fn find(base: Option<&Path>) -> Result<Parents> {
    let read = |path: &str| {
        std::fs::read_to_string(path).map_err(|source| Error::Read {
            file: path.into(),
            source,
        })
    };
    let hierarchies =
        mounts::hierarchies(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?);
    let base = base.map(below_root).transpose()?;
    let is_v1 = |controller: Controller| hierarchies.iter().any(|h| h.has(controller.name()));
    if Controller::V1.into_iter().any(is_v1) {
        let mut parents = v1_parents(&hierarchies, base.as_deref())?;
        return Ok(Parents::V1(parents.remove(0), parents));
    }
    let hierarchy = hierarchies
        .iter()
        .find(|hierarchy| hierarchy.controllers.is_empty())
        .ok_or(Error::NoGroups)?;
    let root = open_root(&hierarchy.point, CGROUP2_SUPER_MAGIC)?;
    match base {
        Some(path) => Ok(Parents::V2(v2::descend(root, &path)?, Origin::Named)),
        None => {
            let own = service_of(own(hierarchy)?);
            Ok(Parents::V2(v2::descend(root, own)?, Origin::Own))
        }
    }
}

fn v1_parents(hierarchies: &[Hierarchy], base: Option<&Path>) -> Result<Vec<Parent>> {
    let mut parents: Vec<Parent> = Vec::new();
    for controller in Controller::V1 {
        let hierarchy = hierarchies
            .iter()
            .find(|hierarchy| hierarchy.has(controller.name()))
            .ok_or(Error::NotMounted(controller))?;
        // Distributions mount `cpu` and `cpuacct` as one.
        let shared = parents
            .iter_mut()
            .find(|parent| parent.options == hierarchy.controllers);
        if let Some(parent) = shared {
            parent.controllers.push(controller);
            continue;
        }
        let below = base.map_or_else(|| own(hierarchy), Ok)?;
        let mut folder = open_root(&hierarchy.point, CGROUP_SUPER_MAGIC)?;
        for name in parts(below) {
            let child = folder.ensure(&name)?;
            if controller == Controller::Cpuset {
                cpus::inherit(&folder, &child)?;
            }
            folder = child;
        }
        parents.push(Parent {
            folder,
            controllers: vec![controller],
            options: hierarchy.controllers.clone(),
        });
    }
    Ok(parents)
}

fn own(hierarchy: &Hierarchy) -> Result<&Path> {
    let outside = || Error::Outside(hierarchy.point.clone());
    hierarchy.own_below().ok_or_else(outside)
}

/// Returns the group of the whole service that a process in `own` belongs to: without the leaf that a
/// launcher, or systemd's `DelegateSubgroup=launcher`, has moved it to.
fn service_of(own: &Path) -> &Path {
    let ends_with = |path: &Path, is: fn(&str) -> bool| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(is)
    };
    let without = |path, is| match ends_with(path, is) {
        true => path.parent().unwrap_or(path),
        false => path,
    };
    without(without(own, names::is_leaf), names::is_home)
}

/// Opens the mount point of a hierarchy.
fn open_root(point: &Path, magic: u64) -> Result<Folder> {
    let folder = Folder::open(point)?;
    folder
        .is_of(magic)?
        .then_some(folder)
        .ok_or_else(|| Error::Hidden(point.to_owned()))
}

/// Returns an operator's path without the root.
fn below_root(base: &Path) -> Result<PathBuf> {
    base.components()
        .filter(|part| *part != Component::RootDir)
        .map(|part| match part {
            Component::Normal(name) if name.to_str().is_some() => Ok(name),
            _ => Err(Error::Base(base.to_owned())),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_from_each_of_its_leaves() {
        for own in ["a/b", "a/b/launcher", "a/b/warren-x/launcher"] {
            assert_eq!(service_of(Path::new(own)), Path::new("a/b"), "{own}");
        }
        assert_eq!(service_of(Path::new("launcher")), Path::new(""));
        assert_eq!(service_of(Path::new("")), Path::new(""));
    }

    #[test]
    fn a_base_that_climbs_is_refused() {
        assert_eq!(below_root(Path::new("/a/b")).unwrap(), Path::new("a/b"));
        assert_eq!(below_root(Path::new("a")).unwrap(), Path::new("a"));
        assert!(below_root(Path::new("/a/../b")).is_err());
    }
}
