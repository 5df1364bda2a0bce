//! Reads from `/proc` which sandboxes a worker's native engine has on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::wait::{self, SOON};

/// A process of this machine.
struct Process {
    id: u32,
    parent: u32,
    /// Its numbers in the process namespaces that it is in, from this machine's inwards.
    numbers: Vec<u32>,
}

/// Returns all processes that this one sees.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(process).collect()
}

fn process(id: u32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().filter_map(|word| word.parse().ok()))
    };
    Some(Process {
        id,
        parent: field("PPid:")?.next()?,
        numbers: field("NSpid:")?.collect(),
    })
}

/// Returns a process and all that come from it.
fn family_of(ancestor: u32) -> Vec<Process> {
    let mut family = BTreeSet::from([ancestor]);
    let all = processes();
    loop {
        let before = family.len();
        let children = all
            .iter()
            .filter(|process| family.contains(&process.parent));
        let children: Vec<u32> = children.map(|process| process.id).collect();
        family.extend(children);
        if family.len() == before {
            let mut all = all;
            all.retain(|process| family.contains(&process.id));
            return all;
        }
    }
}

/// Returns the processes of this machine that are PID 1 of a sandbox of the worker with this id.
pub fn inits_of(worker: u32) -> BTreeSet<u32> {
    let own = process(worker).map_or(1, |worker| worker.numbers.len());
    let family = family_of(worker).into_iter();
    // A template is in a namespace below the worker's, and its sandboxes in ones below that.
    let inits = family.filter(|it| it.numbers.len() == own + 2 && it.numbers.last() == Some(&1));
    inits.map(|init| init.id).collect()
}

/// Returns the launcher of the worker with this id.
pub fn launcher_of(worker: u32) -> Option<u32> {
    children_of(worker)
        .into_iter()
        .find(|child| is_launcher(*child))
}

/// Returns the processes that this one has started.
pub fn children_of(parent: u32) -> Vec<u32> {
    let all = processes().into_iter();
    all.filter(|it| it.parent == parent)
        .map(|it| it.id)
        .collect()
}

fn is_launcher(process: u32) -> bool {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    line.starts_with(b"warren\0launcher\0")
}

/// Returns the processes of the sandbox whose PID 1 this is, itself among them.
pub fn processes_of(init: u32) -> BTreeSet<u32> {
    family_of(init).into_iter().map(|it| it.id).collect()
}

/// Returns whether the process runs such a command.
pub fn runs(process: u32, command: &str) -> bool {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(first).rsplit('/').next() == Some(command)
}

/// Returns the user that a process runs as, as this machine has it.
pub fn user_of(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Returns the file with the CPU time of the sandbox that this process is in: of version 1 or 2 of
/// control groups.
pub fn cpu_account(process: u32) -> Option<PathBuf> {
    let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    let files = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let path = path.trim_start_matches('/');
        let of_v1 = controllers.split(',').find(|name| *name == "cpuacct");
        let of_v1 = of_v1
            .map(|_| ["cpuacct", "cpu,cpuacct"])
            .into_iter()
            .flatten();
        let of_v1 = of_v1.map(|mount| format!("/sys/fs/cgroup/{mount}/{path}/cpuacct.usage"));
        let of_v2 = controllers
            .is_empty()
            .then(|| format!("/sys/fs/cgroup/{path}/cpu.stat"));
        of_v1
            .chain(of_v2)
            .map(PathBuf::from)
            .find(|file| file.is_file())
    });
    files.max_by_key(|file| file.ends_with("cpuacct.usage"))
}

/// Sends a signal to processes.
pub fn signal(name: &str, processes: impl IntoIterator<Item = u32>) {
    for process in processes {
        // One that has ended in the meantime needs none.
        let _ = Command::new("kill")
            .args([&format!("-{name}"), &process.to_string()])
            .status();
    }
}

/// Waits until the launchers of workers that have ended have ended, too, and left nothing.
pub async fn until_none_is_left() {
    wait::until(SOON, "the launchers without a worker to end", async || {
        orphans().is_empty()
    })
    .await;
    wait::until(SOON, "their control groups to be removed", async || {
        groups()
            .into_iter()
            .all(|launcher| process(launcher).is_some())
    })
    .await;
}

/// Returns the process ids of the launchers that have control groups with sandboxes. A launcher's own,
/// empty, may outlive it until another launcher's sweep.
fn groups() -> Vec<u32> {
    let mut found = Vec::new();
    let mut left = vec![(PathBuf::from("/sys/fs/cgroup"), 3)];
    while let Some((directory, depth)) = left.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|it| it.is_dir()) {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.strip_prefix("warren-").and_then(|it| it.parse().ok()) {
                Some(launcher) if has_sandboxes(&entry.path()) => found.push(launcher),
                None if depth > 0 => left.push((entry.path(), depth - 1)),
                _ => {}
            }
        }
    }
    found
}

/// Returns whether a launcher's group has one of a sandbox: all but its own and those of CPUs.
fn has_sandboxes(group: &Path) -> bool {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    let mut groups = entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
    groups.any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name != "launcher" && !name.starts_with("core-")
    })
}

/// Returns the launchers and templates whose worker is gone.
fn orphans() -> Vec<u32> {
    let all = processes().into_iter();
    let launchers = all.filter(|it| it.parent <= 1 && is_launcher(it.id));
    launchers.map(|it| it.id).collect()
}
