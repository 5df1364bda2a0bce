//! A launcher's own groups, which its sandboxes' groups are made in.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::OwnedFd;

use super::controller::Controller;
use super::error::{Error, Result};
use super::folder::Folder;

/// The launcher's group in each hierarchy that has sandboxes' groups.
#[derive(Debug)]
pub(super) struct Homes {
    /// The first one is locked for as long as the launcher or a template of it lives.
    pub(super) list: Vec<Home>,
    pub(super) version: Version,
    pub(super) view: Vec<CgroupMount>,
}

/// The launcher's group in one hierarchy.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) folder: Folder,
    pub(super) controllers: Vec<Controller>,
}

/// The version of the control groups, with what only that version needs.
#[derive(Debug)]
pub(super) enum Version {
    V1 {
        /// The group with the cores.
        cpuset: Folder,
        /// The file to join each CPU's group by.
        cores: BTreeMap<u32, OwnedFd>,
    },
    V2 {
        swap: Swap,
    },
}

/// The kernel's swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swap {
    /// It has some, or could have, and limits it.
    Limited,
    /// It is built without any.
    None,
}

/// A mount that a sandbox makes, read-only, to see its own groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMount {
    /// The directory to mount it on, below `/sys/fs/cgroup`.
    pub directory: CString,
    /// The kind of file system: `cgroup` or `cgroup2`.
    pub kind: CString,
    /// The options: the hierarchy's controllers for version 1, nothing for version 2.
    pub options: CString,
}

impl Homes {
    /// Returns the group in the hierarchy with this controller.
    pub(super) fn with(&self, controller: Controller) -> Result<&Folder> {
        self.list
            .iter()
            .find(|home| home.controllers.contains(&controller))
            .map(|home| &home.folder)
            .ok_or(Error::NotMounted(controller))
    }
}
