//! A test's own delegated group, and the kernel's view of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use warren_launcher::cgroup::{Group, Groups};
use warren_launcher::wire::Limits;

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) const LIMITS: Limits = Limits {
    memory: 64 * MIB,
    cpu_percent: 50,
    pids: 20,
    open_files: 256,
    scratch: MIB,
};

/// The controllers with a directory each in version 1.
pub(crate) const HIERARCHIES: [&str; 5] = ["memory", "cpu", "cpuacct", "pids", "cpuset"];

static NEXT: AtomicU32 = AtomicU32::new(0);

/// One test at a time: a process that a test forks has the descriptors of every test, locks included.
static ALONE: Mutex<()> = Mutex::new(());

/// A delegated group, removed at the end.
pub(crate) struct World {
    base: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl World {
    pub(crate) fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = version();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let base = format!("/test-of-warren-{}-{number}", std::process::id()).into();
        Self {
            base,
            _alone: alone,
        }
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(crate) fn prepare(&self, instance: &str) -> Groups {
        Groups::prepare(Some(&self.base), instance, None).expect("groups")
    }

    /// Returns the directories of a group, given its path below the base: one in each hierarchy.
    pub(crate) fn directories(&self, below: &str) -> Vec<PathBuf> {
        let roots: Vec<PathBuf> = match version() {
            1 => HIERARCHIES
                .iter()
                .map(|name| Path::new("/sys/fs/cgroup").join(name))
                .collect(),
            _ => vec!["/sys/fs/cgroup".into()],
        };
        let base = self.base.strip_prefix("/").unwrap();
        roots
            .into_iter()
            .map(|root| root.join(base).join(below))
            .collect()
    }

    /// Returns the directory of a group in one controller's hierarchy.
    pub(crate) fn directory(&self, controller: &str, below: &str) -> PathBuf {
        let index = HIERARCHIES.iter().position(|name| *name == controller);
        let mut all = self.directories(below);
        match version() {
            1 => all.swap_remove(index.unwrap()),
            _ => all.swap_remove(0),
        }
    }

    /// Reads a file of a group.
    pub(crate) fn read(&self, controller: &str, file: &str) -> String {
        let path = self.directory(controller, file);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.trim_end().to_owned()
    }

    /// Returns the groups below the base that exist anywhere.
    pub(crate) fn groups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for directory in self.directories("") {
            list(&directory, &mut found);
        }
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        leave();
        if std::thread::panicking() {
            eprintln!("left: {:?}", self.groups());
        }
        let swept = Groups::sweep(Some(&self.base));
        let removed = self.directories("").iter().try_for_each(fs::remove_dir);
        if !std::thread::panicking() {
            swept.expect("swept");
            removed.expect("nothing is left in the base");
        }
    }
}

/// Leaves the launcher's group of a test that prepared groups in this process.
fn leave() {
    if version() == 2 {
        fs::write("/sys/fs/cgroup/cgroup.procs", "0").expect("the root takes every process");
    }
}

fn list(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), found);
            found.push(entry.path());
        }
    }
}

/// Returns the version of this machine's control groups, as it was before any test changed its mounts.
pub(crate) fn version() -> u8 {
    static VERSION: OnceLock<u8> = OnceLock::new();
    let unified = || Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    *VERSION.get_or_init(|| if unified() { 2 } else { 1 })
}

/// Makes a sandbox's group on CPU 0.
pub(crate) fn make(groups: &Groups, name: &str) -> Group {
    groups.make(name, &LIMITS, 0).expect("a group")
}
