//! Verifies that groups are killed, removed and made again without anything being left.

use std::os::unix::process::ExitStatusExt;

use warren_launcher::cgroup::{Error, Join};

use crate::process::{start, until};
use crate::world::{World, make};

#[test]
fn a_killed_and_removed_group_leaves_nothing() {
    let world = World::new();
    let groups = world.prepare("a");
    let before = world.groups();
    let group = make(&groups, "box");
    // Children of children, one of them in a session of its own.
    let mut child = start(
        &group,
        "sleep 1000 & setsid sleep 1000 & (sleep 1000 & exec sleep 1000) & wait",
    );
    let file = "warren-a/box/cgroup.procs";
    until("all processes run", || {
        world.read("memory", file).lines().count() == 5
    });
    group.kill().unwrap();
    assert_eq!(world.read("memory", file), "");
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    group.remove().unwrap();
    assert_eq!(world.groups(), before);
}

#[test]
fn a_group_with_a_process_is_not_removed_and_named() {
    let world = World::new();
    let groups = world.prepare("a");
    let group = make(&groups, "box");
    let mut child = start(&group, "exec sleep 1000");
    let error = group.remove().expect_err("it is busy");
    assert!(matches!(error, Error::Remove { .. }), "{error}");
    assert!(error.to_string().contains("/warren-a/box: "), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_name_is_used_once_at_a_time() {
    let world = World::new();
    let groups = world.prepare("a");
    let first = make(&groups, "box");
    let mut child = start(&first, "exec sleep 1000");
    let second = groups.make("box", &crate::world::LIMITS, 0);
    assert!(matches!(second, Err(Error::Make { .. })), "{second:?}");
    assert!(
        child.try_wait().unwrap().is_none(),
        "the first one is unharmed"
    );
    assert_ne!(world.read("pids", "warren-a/box/pids.max"), "max");
    first.kill().unwrap();
    child.wait().unwrap();
    first.remove().unwrap();
}

#[test]
fn a_thousand_groups_leave_as_many_groups_and_descriptors_as_before() {
    let world = World::new();
    let groups = world.prepare("a");
    make(&groups, "first").remove().unwrap();
    let before = (world.groups(), descriptors(&world));
    assert!(before.1 > 0, "the launcher holds its groups open");
    for number in 0..1_000 {
        let group = make(&groups, &format!("box-{number}"));
        let join = match group.join() {
            Join::Into(_) => 1,
            Join::Write(files) => files.len(),
        };
        assert!(join > 0);
        group.remove().unwrap();
    }
    assert_eq!((world.groups(), descriptors(&world)), before);
}

/// Returns this process's descriptors of files below the base: other tests have others.
fn descriptors(world: &World) -> usize {
    let base = world.base().display().to_string();
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    links
        .filter_map(|link| std::fs::read_link(link.unwrap().path()).ok())
        .filter(|path| path.to_string_lossy().contains(&format!("{base}/")))
        .count()
}
