//! Verifies that the kernel holds every limit of a sandbox.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use warren_launcher::cgroup::Join;
use warren_launcher::wire::Limits;

use crate::process::{clone_into, start};
use crate::world::{LIMITS, MIB, World, make, version};

#[test]
fn every_limit_is_read_back_from_the_kernel() {
    let world = World::new();
    let groups = world.prepare("a");
    assert_eq!(groups.version(), version());
    let limits = Limits {
        memory: 48 * MIB,
        cpu_percent: 30,
        pids: 17,
        ..LIMITS
    };
    let group = groups.make("box", &limits, 0).unwrap();
    let expected: &[(&str, &str, &str)] = match version() {
        1 => &[
            ("memory", "memory.limit_in_bytes", "50331648"),
            ("memory", "memory.memsw.limit_in_bytes", "50331648"),
            ("cpu", "cpu.cfs_period_us", "100000"),
            ("cpu", "cpu.cfs_quota_us", "30000"),
            ("cpu", "cpu.shares", "128"),
            ("pids", "pids.max", "17"),
        ],
        _ => &[
            ("memory", "memory.max", "50331648"),
            ("memory", "memory.swap.max", "0"),
            ("cpu", "cpu.max", "30000 100000"),
            ("cpu", "cpu.weight", "5"),
            ("pids", "pids.max", "17"),
            ("cpuset", "cpuset.cpus", "0"),
            ("cpuset", "cpuset.cpus.effective", "0"),
        ],
    };
    for (controller, file, value) in expected {
        let seen = world.read(controller, &format!("warren-a/box/{file}"));
        assert_eq!(&seen, value, "{file}");
    }
    group.remove().unwrap();
}

#[test]
fn a_process_that_joins_is_in_every_group_and_on_one_cpu() {
    let world = World::new();
    let groups = world.prepare("a");
    let group = make(&groups, "box");
    let mut child = start(&group, "exec sleep 1000");
    let status =
        |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap();
    let base = world.base().display().to_string();
    let member = status("cgroup");
    let mut expected = vec![format!("{base}/warren-a/box")];
    if version() == 1 {
        expected = ["memory", "cpu", "cpuacct", "pids"]
            .map(|controller| format!(":{controller}:{base}/warren-a/box"))
            .to_vec();
        expected.push(format!(":cpuset:{base}/warren-a/core-0"));
    }
    for group in expected {
        let is_in = member.lines().any(|line| line.ends_with(&group));
        assert!(is_in, "{group} in {member}");
    }
    let cpus = status("status");
    assert!(cpus.contains("\nCpus_allowed_list:\t0\n"), "{cpus}");
    group.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    group.remove().unwrap();
}

#[test]
fn a_version_2_group_is_cloned_into() {
    let world = World::new();
    let groups = world.prepare("a");
    let group = make(&groups, "box");
    match group.join() {
        Join::Into(directory) => {
            let own = clone_into(directory);
            assert!(own.trim_end().ends_with("/warren-a/box"), "{own}");
            assert_eq!(version(), 2);
        }
        // Version 1 has no such way: there each hierarchy has a file.
        Join::Write(files) => assert_eq!((files.len(), version()), (5, 1)),
    }
    group.remove().unwrap();
}

#[test]
fn an_out_of_memory_kill_is_seen_and_only_then() {
    let world = World::new();
    let groups = world.prepare("a");
    let group = make(&groups, "box");
    let mut quiet = start(&group, "true");
    assert!(quiet.wait().unwrap().success());
    assert!(!group.ran_out_of_memory().unwrap());
    // `tail` holds all of a file without a line's end.
    let mut hungry = start(&group, "exec tail /dev/zero");
    assert_eq!(hungry.wait().unwrap().signal(), Some(libc::SIGKILL));
    assert!(group.ran_out_of_memory().unwrap());
    let memory = group.consumed().unwrap().memory;
    assert!(
        (LIMITS.memory / 2..=LIMITS.memory).contains(&memory),
        "{memory}"
    );
    group.remove().unwrap();
}

#[test]
fn the_number_of_processes_is_held() {
    let world = World::new();
    let groups = world.prepare("a");
    let group = groups
        .make("box", &Limits { pids: 5, ..LIMITS }, 0)
        .unwrap();
    let mut child = start(&group, "for i in 1 2 3 4 5 6 7 8; do sleep 30 & done; wait");
    assert!(!child.wait().unwrap().success(), "a fork must fail");
    let file = "warren-a/box/cgroup.procs";
    let left = world.read("pids", file).lines().count();
    assert!((1..=5).contains(&left), "{left}");
    group.kill().unwrap();
    assert_eq!(world.read("pids", file), "");
    group.remove().unwrap();
}

#[test]
fn the_resources_used_are_counted_from_zero_for_each_group() {
    let world = World::new();
    let groups = world.prepare("a");
    for _ in 0..2 {
        let group = make(&groups, "box");
        let before = group.consumed().unwrap();
        assert_eq!(before.cpu, Duration::ZERO);
        assert!(before.memory < MIB, "{before:?}");
        let mut child = start(&group, "head -c 16M /dev/zero | tail -c 16M >/dev/null");
        assert!(child.wait().unwrap().success());
        let after = group.consumed().unwrap();
        assert!(after.cpu > Duration::ZERO);
        assert!(
            (16 * MIB..=LIMITS.memory).contains(&after.memory),
            "{after:?}"
        );
        group.remove().unwrap();
    }
}
