//! The faults of a root, each with its path and its remedy.

use std::fmt;
use std::path::{Path, PathBuf};

/// The most faults that are listed; the rest are counted.
const LISTED: usize = 20;

/// One fault of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The path on the host.
    pub path: PathBuf,
    /// The problem there.
    pub problem: Problem,
}

/// A problem that makes a root unfit for use, and its remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no such directory.
    #[error("there is no root here")]
    Missing,
    /// No import made it.
    #[error("it has no record of an import")]
    NoRecord,
    /// It was furnished by another build of Warren.
    #[error("another build of Warren imported it")]
    Outdated,
    /// It is being removed.
    #[error("it is being replaced at this moment")]
    Going,
    /// The runner is missing or another one.
    #[error("it is not the runner of this build")]
    OtherRunner,
    /// A directory that something is mounted over is missing.
    #[error("it has to be a directory, because something is mounted there")]
    NoMountPoint,
    /// A set-user-id or set-group-id file.
    #[error("it has a set-user-id or set-group-id bit")]
    SetId,
    /// A file with capabilities.
    #[error("it has file capabilities")]
    Capabilities,
    /// Its owner is neither root nor the user that checks.
    #[error("user {0} owns it")]
    Owner(u32),
    /// Its group is one that sandboxes have.
    #[error("its group {0} is that of a sandbox")]
    Group(u32),
    /// Others than its owner may write it.
    #[error("others than its owner may write it")]
    Writable,
    /// A device node.
    #[error("it is a device node")]
    Device,
    /// A pipe or a socket.
    #[error("it is neither a file, a directory nor a link")]
    Kind,
    /// Another file system.
    #[error("another file system is mounted there")]
    Mount,
    /// It lies too deep, or there are too many.
    #[error("it lies too deep, or there are too many files")]
    TooMuch,
    /// It cannot be looked at.
    #[error("it cannot be looked at ({0})")]
    Unreadable(String),
}

impl Problem {
    /// Returns what to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Missing
            | Self::NoRecord
            | Self::Outdated
            | Self::OtherRunner
            | Self::NoMountPoint => "warren rootfs import LANGUAGE",
            Self::Going => "try again",
            Self::SetId => "chmod a-s",
            Self::Capabilities => "setcap -r",
            Self::Owner(_) | Self::Group(_) => "chown -h to the user that runs the worker, or root",
            Self::Writable => "chmod go-w",
            Self::Device | Self::Kind => "rm",
            Self::Mount => "umount",
            Self::TooMuch => "import a smaller image",
            Self::Unreadable(_) => "let the worker's user look at it",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (problem, remedy) = (&self.problem, self.problem.remedy());
        let path = self.path.to_string_lossy();
        write!(f, "{}: {problem}; {remedy}", path.escape_debug())
    }
}

/// The faults of one root: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    root: PathBuf,
    listed: Vec<Fault>,
    more: usize,
}

impl Faults {
    pub(crate) fn none(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            listed: Vec::new(),
            more: 0,
        }
    }

    pub(crate) fn one(root: &Path, problem: Problem) -> Self {
        let mut faults = Self::none(root);
        faults.add(root.to_owned(), problem);
        faults
    }

    pub(crate) fn add(&mut self, path: PathBuf, problem: Problem) {
        if self.listed.len() == LISTED {
            self.more += 1;
        } else {
            self.listed.push(Fault { path, problem });
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.listed.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.more > 0
    }

    /// Returns the first ones, at most 20.
    #[must_use]
    pub fn listed(&self) -> &[Fault] {
        &self.listed
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root.to_string_lossy();
        write!(f, "cannot use the root {}", root.escape_debug())?;
        let mut faults = self.listed.iter();
        faults.try_for_each(|fault| write!(f, "\n  {fault}"))?;
        match self.more {
            0 => Ok(()),
            _ => f.write_str("\n  and more of the like"),
        }
    }
}

impl std::error::Error for Faults {}
