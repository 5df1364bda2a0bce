//! Verifies that a sweep removes dead launchers' groups, and no living one's.

use std::os::unix::process::ExitStatusExt;
use std::process::Child;

use warren_launcher::cgroup::{Error, Groups};

use crate::process::{Copy, start, until};
use crate::world::{World, make};

/// A launcher in a process of its own with two sandboxes' groups; returns once they are there.
fn launcher(world: &World, instance: &str) -> Copy {
    let copy = Copy::run(|| {
        let groups = Groups::prepare(Some(world.base()), instance, None);
        let groups = groups.map_err(|error| error.to_string())?;
        let _one = make(&groups, "one");
        let _two = make(&groups, "two");
        loop {
            std::thread::park();
        }
    });
    until("the launcher's groups exist", || {
        let last = world.directories(&format!("warren-{instance}/two"));
        last.iter().filter(|directory| directory.exists()).count() >= last.len().min(4)
    });
    copy
}

/// Starts a process that its launcher's death does not end.
fn orphan(world: &World, group: &str) -> Child {
    let child = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    for directory in world.directories(group) {
        if directory.exists() {
            std::fs::write(directory.join("cgroup.procs"), child.id().to_string()).unwrap();
        }
    }
    child
}

#[test]
fn a_dead_launchers_groups_are_removed_and_a_living_ones_are_not() {
    let world = World::new();
    let (dead, living) = (launcher(&world, "dead"), launcher(&world, "living"));
    let mut orphan = orphan(&world, "warren-dead/one");
    assert_eq!(Groups::sweep(Some(world.base())).unwrap(), 0);
    assert!(orphan.try_wait().unwrap().is_none());
    dead.kill();
    assert_eq!(Groups::sweep(Some(world.base())).unwrap(), 2);
    assert_eq!(orphan.wait().unwrap().signal(), Some(libc::SIGKILL));
    let left = world.groups();
    assert!(!left.is_empty());
    let is_living = |path: &std::path::PathBuf| path.to_string_lossy().contains("warren-living");
    assert!(left.iter().all(is_living), "{left:?}");
    living.kill();
    assert_eq!(Groups::sweep(Some(world.base())).unwrap(), 2);
    assert_eq!(world.groups(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_template_that_outlives_its_launcher_keeps_its_groups() {
    let world = World::new();
    let groups = world.prepare("a");
    let template = Copy::run(|| {
        loop {
            std::thread::park();
        }
    });
    drop(groups);
    assert_eq!(Groups::sweep(Some(world.base())).unwrap(), 0);
    assert!(!world.groups().is_empty());
    template.kill();
}

#[test]
fn an_instance_has_one_launcher_and_its_successor_starts_anew() {
    let world = World::new();
    let first = launcher(&world, "a");
    let refused = Groups::prepare(Some(world.base()), "a", None);
    assert!(matches!(refused, Err(Error::Held(_))), "{refused:?}");
    let mut orphan = orphan(&world, "warren-a/two");
    first.kill();
    let groups = world.prepare("a");
    assert_eq!(orphan.wait().unwrap().signal(), Some(libc::SIGKILL));
    let group = make(&groups, "two");
    assert!(start(&group, "true").wait().unwrap().success());
    group.remove().unwrap();
}

#[test]
fn what_a_half_removed_launcher_left_is_swept() {
    let world = World::new();
    launcher(&world, "a").kill();
    // The sweep itself was killed: the hierarchy with the lock is done last, so it is done here.
    let first = world.directory("memory", "warren-a");
    for child in ["one", "two"] {
        std::fs::remove_dir(first.join(child)).unwrap();
    }
    assert!(Groups::sweep(Some(world.base())).unwrap() <= 2);
    assert_eq!(world.groups(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn remains_without_the_group_that_has_the_lock_are_swept() {
    let world = World::new();
    launcher(&world, "a").kill();
    let first = world.directory("memory", "warren-a");
    // The last that a whole sweep removes; version 2 has no other.
    for child in ["one", "two", "launcher"] {
        let _ = std::fs::remove_dir(first.join(child));
    }
    std::fs::remove_dir(first).unwrap();
    Groups::sweep(Some(world.base())).unwrap();
    assert_eq!(world.groups(), Vec::<std::path::PathBuf>::new());
}
