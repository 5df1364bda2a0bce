//! Verifies that whatever cannot be limited is refused, with what to do about it.

use std::path::Path;
use std::process::Command;

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use warren_launcher::cgroup::{Error, Groups};

use crate::own::make_base;
use crate::process::Copy;
use crate::world::{LIMITS, World, make, version};

/// Prepares groups in a process that sees the mount table as `change` leaves it, and returns whether it is
/// refused as expected.
fn refused(world: &World, change: fn() -> rustix::io::Result<()>, is: fn(&Error) -> bool) {
    Copy::run(|| {
        // SAFETY: only the mount namespace changes.
        let unshared =
            unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) };
        let changed = unshared
            .and_then(|()| {
                let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
                rustix::mount::mount_change("/", private)
            })
            .and_then(|()| change());
        changed.map_err(|errno| format!("cannot change the mounts: {errno}"))?;
        match Groups::prepare(Some(world.base()), "a", None) {
            Ok(_) => Err("it is not refused".to_owned()),
            Err(error) if is(&error) => Ok(()),
            Err(error) => Err(format!("refused otherwise: {error}")),
        }
    })
    .succeed();
}

/// Returns the mount point with the controller for processes' number.
fn pids() -> &'static str {
    match version() {
        1 => "/sys/fs/cgroup/pids",
        _ => "/sys/fs/cgroup",
    }
}

#[test]
fn a_read_only_hierarchy_is_refused() {
    let change = || {
        let flags = MountFlags::BIND | MountFlags::RDONLY;
        rustix::mount::mount_bind(pids(), pids())?;
        rustix::mount::mount_remount(pids(), flags, c"")?;
        // The one below it is writable, and must not be taken through the one above.
        Ok(())
    };
    refused(&World::new(), change, |error| {
        matches!(error, Error::Make { .. }) && error.to_string().contains("must be writable")
    });
}

#[test]
fn a_hierarchy_that_is_not_mounted_is_refused() {
    let change = || rustix::mount::unmount(pids(), UnmountFlags::DETACH);
    refused(&World::new(), change, |error| match version() {
        1 => error.to_string().contains("`pids` is not mounted"),
        _ => matches!(error, Error::NoGroups),
    });
}

#[test]
fn a_hidden_hierarchy_is_refused() {
    let change =
        || rustix::mount::mount("tmpfs", pids(), "tmpfs", MountFlags::empty(), c"size=64k");
    refused(&World::new(), change, |error| {
        matches!(error, Error::Hidden(_))
    });
}

#[test]
fn a_limit_that_the_kernel_does_not_take_is_refused_and_nothing_is_left() {
    let world = World::new();
    let groups = world.prepare("a");
    let before = world.groups();
    for (limits, cpu) in [
        (
            warren_launcher::wire::Limits {
                cpu_percent: 0,
                ..LIMITS
            },
            0,
        ),
        (
            warren_launcher::wire::Limits {
                pids: u32::MAX,
                ..LIMITS
            },
            0,
        ),
        (LIMITS, 4_000),
    ] {
        let made = groups.make("box", &limits, cpu);
        let error = made.expect_err("no such limit");
        assert!(
            matches!(error, Error::Write { .. } | Error::NoCpu { .. }),
            "{error}"
        );
        assert_eq!(world.groups(), before);
    }
    make(&groups, "box").remove().unwrap();
}

#[test]
fn a_parent_that_lacks_what_a_sandbox_needs_is_refused_at_the_start() {
    let world = World::new();
    let refusal = match version() {
        1 => {
            // A smaller quota than the sandboxes': the kernel takes none above it.
            let base = world.directory("cpu", "");
            std::fs::create_dir(&base).unwrap();
            std::fs::write(base.join("cpu.cfs_quota_us"), "10000").unwrap();
            "cpu.cfs_quota_us: Invalid argument"
        }
        _ => {
            let base = world.directory("cpu", "");
            std::fs::create_dir(&base).unwrap();
            std::fs::write(base.join("cgroup.subtree_control"), "+cpu +memory +cpuset").unwrap();
            "has no controller `pids`"
        }
    };
    let inner = match version() {
        1 => world.base().to_owned(),
        _ => {
            std::fs::create_dir(world.directory("cpu", "inner")).unwrap();
            world.base().join("inner")
        }
    };
    Copy::run(|| match Groups::prepare(Some(&inner), "a", None) {
        Err(error) if error.to_string().contains(refusal) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .succeed();
    if version() == 1 {
        assert_eq!(world.groups(), Vec::<std::path::PathBuf>::new());
    } else {
        // The process that was refused was in there itself.
        Groups::sweep(Some(&inner)).unwrap();
        std::fs::remove_dir(world.directory("cpu", "inner")).unwrap();
    }
}

#[test]
fn a_named_parent_with_processes_is_refused_where_it_cannot_have_children() {
    let world = World::new();
    make_base(&world);
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    for directory in world.directories("") {
        std::fs::write(directory.join("cgroup.procs"), child.id().to_string()).unwrap();
    }
    let copy = Copy::run(|| {
        let prepared = Groups::prepare(Some(world.base()), "a", None);
        match (prepared, version()) {
            (Ok(_), 1) | (Err(Error::HasProcesses { .. }), 2) => Ok(()),
            (other, _) => Err(format!("{other:?}")),
        }
    });
    copy.succeed();
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn names_and_paths_that_leave_the_parent_are_refused() {
    let refused =
        |base: &str, instance: &str| Groups::prepare(Some(Path::new(base)), instance, None);
    assert!(matches!(refused("/a/../b", "x"), Err(Error::Base(_))));
    assert!(matches!(refused("/a", "../x"), Err(Error::Name(_))));
    let world = World::new();
    let groups = world.prepare("a");
    for name in ["../box", "launcher", "core-0", ""] {
        let made = groups.make(name, &LIMITS, 0);
        assert!(matches!(made, Err(Error::Name(_))), "{made:?}");
    }
}
