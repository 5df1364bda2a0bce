//! Control groups of version 2: one group with every controller.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::controller::Controller;
use super::cpus;
use super::error::{Error, Result};
use super::folder::Folder;
use super::homes::{CgroupMount, Home, Homes, Swap, Version};
use super::names::LEAF;
use super::origin::{Origin, parts};
use super::policy::{CPU_PERIOD_US, CPU_WEIGHT, field, number, quota_us};
use crate::wire::{Consumed, Limits};

/// The files of a delegated group that its owner writes (cgroups(7), "Delegation"). Not the limits: they
/// are its parent's.
const OWNED: [&str; 3] = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];

/// The rounds in which a service's processes are moved to a leaf, while they may fork.
const ROUNDS: u32 = 10;

/// Opens a group below the hierarchy's root. Makes those that are missing.
pub(super) fn descend(root: Folder, path: &Path) -> Result<Folder> {
    let mut folder = root;
    for name in parts(path) {
        if !folder.has(&name) {
            enable(&folder)?;
        }
        folder = folder.ensure(&name)?;
    }
    Ok(folder)
}

/// Moves this process to a leaf of its own group, and passes the controllers on down to there.
///
/// A process is cloned into a sandbox's group only by one that may write the `cgroup.procs` of the
/// common ancestor of both groups, so the launcher must live in the group that it owns.
pub(super) fn prepare(
    parent: &Folder,
    origin: Origin,
    home: Folder,
    owner: Option<(u32, u32)>,
) -> Result<Homes> {
    let leaf = home.ensure(LEAF)?;
    leaf.write("cgroup.procs", "0")?;
    match (enable(parent), origin) {
        (Err(Error::HasProcesses { .. }), Origin::Own) => {
            empty(parent)?;
            enable(parent)?;
        }
        (other, _) => other?,
    }
    enable(&home)?;
    let swap = swap(&home)?;
    if let Some(owner) = owner {
        home.give(&OWNED, owner)?;
        leaf.give(&OWNED, owner)?;
    }
    Ok(Homes {
        list: vec![Home {
            folder: home,
            controllers: Controller::V2.to_vec(),
        }],
        version: Version::V2 { swap },
        view: vec![CgroupMount {
            directory: c"/sys/fs/cgroup".to_owned(),
            kind: c"cgroup2".to_owned(),
            options: c"".to_owned(),
        }],
    })
}

/// Enables the controllers for a group's children.
fn enable(group: &Folder) -> Result<()> {
    let missing = |file: &str| -> Result<Option<Controller>> {
        let text = group.read(file)?;
        let has = |controller: &Controller| text.split(' ').any(|one| one == controller.name());
        Ok(Controller::V2.into_iter().find(|one| !has(one)))
    };
    if let Some(controller) = missing("cgroup.controllers")? {
        return Err(Error::NotDelegated {
            controller,
            group: group.path().to_owned(),
        });
    }
    if missing("cgroup.subtree_control")?.is_none() {
        return Ok(());
    }
    let all = Controller::V2.map(|controller| format!("+{controller}"));
    group
        .write("cgroup.subtree_control", &all.join(" "))
        .map_err(|error| match error {
            Error::Write { source, .. } if source.kind() == io::ErrorKind::ResourceBusy => {
                Error::HasProcesses {
                    group: group.path().to_owned(),
                    source,
                }
            }
            other => other,
        })
}

/// Moves the processes of a group to a leaf in it: those of the same service or container, such as the
/// worker.
fn empty(group: &Folder) -> Result<()> {
    let leaf = group.ensure(LEAF)?;
    for _ in 0..ROUNDS {
        let text = group.read("cgroup.procs")?;
        if text.is_empty() {
            break;
        }
        for process in text.lines() {
            match leaf.write("cgroup.procs", process) {
                // It has ended meanwhile.
                Err(Error::Write { source, .. })
                    if source.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
                other => other?,
            }
        }
    }
    Ok(())
}

/// Returns whether swap must be limited. A kernel without swap has no file for it; one that has swap but
/// does not count it for groups is refused.
fn swap(home: &Folder) -> Result<Swap> {
    if home.has("memory.swap.max") {
        return Ok(Swap::Limited);
    }
    match Path::new("/proc/swaps").exists() {
        true => Err(Error::NoSwapLimit(home.path().join("memory.swap.max"))),
        false => Ok(Swap::None),
    }
}

/// Sets a new group's limits. Returns its directory, to clone its first process into.
pub(super) fn limit(
    home: &Home,
    swap: Swap,
    name: &str,
    limits: &Limits,
    cpu: u32,
) -> Result<Folder> {
    let group = home.folder.folder(name)?;
    group.write("memory.max", &limits.memory.to_string())?;
    if swap == Swap::Limited {
        group.write("memory.swap.max", "0")?;
    }
    let quota = quota_us(limits.cpu_percent);
    group.write("cpu.max", &format!("{quota} {CPU_PERIOD_US}"))?;
    group.write("cpu.weight", &CPU_WEIGHT.to_string())?;
    group.write("pids.max", &limits.pids.to_string())?;
    group.write("cpuset.cpus", &cpu.to_string())?;
    // The kernel takes a CPU that the parent does not have, and then uses all of the parent's.
    let effective = group.read("cpuset.cpus.effective")?;
    if cpus::parse(&effective).as_deref() != Some(&[cpu]) {
        return Err(Error::NoCpu {
            cpu,
            group: home.folder.path().to_owned(),
            cpus: effective,
        });
    }
    Ok(group)
}

/// Reads the resources that a group has used so far. Before Linux 5.19 the kernel keeps no peak, and the
/// memory is what the group holds now.
pub(super) fn consumed(home: &Folder, name: &str) -> Result<Consumed> {
    let stat = format!("{name}/cpu.stat");
    let text = home.read(&stat)?;
    let cpu = field(&text, "usage_usec").ok_or_else(|| home.strange(&stat, &text))?;
    let (peak, current) = (
        format!("{name}/memory.peak"),
        format!("{name}/memory.current"),
    );
    let file = if home.has(&peak) { peak } else { current };
    let text = home.read(&file)?;
    let memory = number(&text).ok_or_else(|| home.strange(&file, &text))?;
    Ok(Consumed {
        cpu: Duration::from_micros(cpu),
        memory,
    })
}

/// Reads the number of removed groups below a group that the kernel still holds, because memory is
/// charged to them.
pub(super) fn dying(home: &Folder) -> Option<u64> {
    field(&home.read("cgroup.stat").ok()?, "nr_dying_descendants")
}

/// Returns the first CPU that sandboxes may have.
pub(super) fn first_cpu(homes: &Homes) -> Result<Option<u32>> {
    let folder = homes.with(Controller::Cpuset)?;
    let text = folder.read("cpuset.cpus.effective")?;
    Ok(cpus::parse(&text).and_then(|cpus| cpus.first().copied()))
}
