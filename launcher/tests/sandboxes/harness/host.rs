//! The host as the tests see it: processes, control groups and mounts.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// More than anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the children of a process with one thread.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect()
}

/// Returns a process and all that descend from it.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    family.extend(children(pid).into_iter().flat_map(family_of));
    family
}

fn family_of(pid: u32) -> Vec<u32> {
    family(pid)
}

/// Returns whether a process is there and has not ended.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest.starts_with(['Z', 'X']));
    state == Some(false)
}

/// Returns a line of a process's status, without its name.
pub(crate) fn status(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap().trim().to_owned()
}

/// Returns all control groups of an instance, or below a group of this name. Not those whose names only
/// begin alike: they are another test's.
pub(crate) fn groups(name: &str) -> Vec<String> {
    let names = [name.trim_start_matches('/'), &format!("warren-{name}")].map(OsString::from);
    let is_in = |path: &Path| {
        path.iter()
            .any(|part| names.iter().any(|name| name == part))
    };
    let (mut found, mut left) = (Vec::new(), vec![PathBuf::from("/sys/fs/cgroup")]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if is_in(&entry.path()) {
                    found.push(entry.path().display().to_string());
                }
                left.push(entry.path());
            }
        }
    }
    found
}

/// Returns whether the host has something mounted from or on this path.
pub(crate) fn has_mount(path: &str) -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().any(|line| line.contains(path))
}

/// Kills a process.
pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < give_up, "not in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the CPU time of a process itself, in the kernel's ticks of 10 ms.
pub(crate) fn cpu_of(pid: u32) -> Duration {
    ticks(pid, 11)
}

/// Returns the CPU time of its children that it has waited for, and of theirs.
pub(crate) fn cpu_of_children(pid: u32) -> Duration {
    ticks(pid, 13)
}

/// Adds two fields of a process's `stat`, counted from its state.
fn ticks(pid: u32, first: usize) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let fields = rest.split(' ').skip(first).take(2);
    let ticks: u64 = fields.map(|it| it.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
