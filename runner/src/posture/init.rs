//! Reads what only PID 1 sees: itself, and the limits of its control groups.

use std::fs;
use std::path::Path;

use super::facts::{FactSheet, content};
use super::process;

/// The directory of control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// The limits under version 1: key, controller's directory, file.
const OF_VERSION_1: [(&str, &str, &str); 9] = [
    ("cpu period", "cpu", "cpu.cfs_period_us"),
    ("cpu quota", "cpu", "cpu.cfs_quota_us"),
    ("cpu shares", "cpu", "cpu.shares"),
    (
        "huge pages of 2 MB",
        "hugetlb",
        "hugetlb.2MB.limit_in_bytes",
    ),
    ("memory", "memory", "memory.limit_in_bytes"),
    ("memory and swap", "memory", "memory.memsw.limit_in_bytes"),
    (
        "memory of TCP sockets",
        "memory",
        "memory.kmem.tcp.limit_in_bytes",
    ),
    ("processes", "pids", "pids.max"),
    ("real-time", "cpu", "cpu.rt_runtime_us"),
];

/// The limits under version 2.
const OF_VERSION_2: [(&str, &str); 7] = [
    ("cpu quota", "cpu.max"),
    ("cpu weight", "cpu.weight"),
    ("huge pages of 2 MB", "hugetlb.2MB.max"),
    ("memory", "memory.max"),
    ("memory, killed as one", "memory.oom.group"),
    ("processes", "pids.max"),
    ("swap", "memory.swap.max"),
];

pub(super) fn read(facts: &mut FactSheet) {
    process::of_status(facts, "init ");
    facts.add_file("init oom_score_adj", "/proc/self/oom_score_adj");
    let root = Path::new(ROOT);
    // The root of a version 2 hierarchy has this file, whoever's root it is.
    if root.join("cgroup.controllers").exists() {
        facts.add("cgroup version", 2);
        // Only the root of all has no type: there the figures would be the machine's.
        let own = root.join("cgroup.type").exists();
        facts.add("v2 namespace", if own { "its own" } else { "the host's" });
        for (key, file) in OF_VERSION_2 {
            facts.add_file(format!("v2 {key}"), &format!("{ROOT}/{file}"));
        }
        facts.add("v2 cores", cores(&format!("{ROOT}/cpuset.cpus.effective")));
    } else {
        facts.add("cgroup version", 1);
        for (key, controller, file) in OF_VERSION_1 {
            facts.add(format!("v1 {key}"), content(&of(controller, file)));
        }
        facts.add("v1 cores", cores(&of("cpuset", "cpuset.cpus")));
    }
}

/// Returns the path of a version 1 controller's file. Some hosts mount `cpu` along with `cpuacct`.
fn of(controller: &str, file: &str) -> String {
    let together = format!("{ROOT}/cpu,cpuacct/{file}");
    if controller == "cpu" && fs::exists(&together).is_ok_and(|is_there| is_there) {
        return together;
    }
    format!("{ROOT}/{controller}/{file}")
}

/// Returns the number of cores in a list such as `0-2,5`, as far as it does not depend on the host.
fn cores(path: &str) -> &'static str {
    let online = content("/sys/devices/system/cpu/online");
    match (count(&content(path)), count(&online)) {
        (Some(1), _) => "one",
        (Some(some), Some(all)) if some < all => "some",
        (Some(_), _) => "all",
        (None, _) => "unreadable",
    }
}

fn count(list: &str) -> Option<u32> {
    list.trim().split(',').try_fold(0_u32, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_counted_as_the_kernel_lists_them() {
        assert_eq!(count("0\n"), Some(1));
        assert_eq!(count("0-2,5\n"), Some(4));
        assert_eq!(count("\n"), None);
        assert_eq!(count("3-1"), None);
    }
}
