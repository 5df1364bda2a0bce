//! Verifies that a launcher without root uses the groups that it was given.

use std::fs;
use std::io::{self, Read, Write};

use rustix::process::{Gid, Uid};
use rustix::thread::UnshareFlags;
use warren_launcher::cgroup::{Group, Groups};

use crate::process::{Copy, start};
use crate::world::{LIMITS, World, make, version};

/// The first of the host's numbers that stand for the launcher's users, as in `/etc/subuid`.
const SUBORDINATE: u32 = 300_000;

/// Runs a part of a test as the root of a user namespace whose root is [`SUBORDINATE`] on the host.
fn as_subordinate(part: impl FnOnce() -> Result<(), String>) {
    let (mut unshared, mut told) = io::pipe().unwrap();
    let (mut mapped, mut tell) = io::pipe().unwrap();
    let copy = Copy::run(|| {
        let io = |error: io::Error| error.to_string();
        // SAFETY: only the user namespace changes.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }
            .map_err(|errno| errno.to_string())?;
        told.write_all(b"u").map_err(io)?;
        mapped.read_exact(&mut [0]).map_err(io)?;
        rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)
            .and_then(|()| rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT))
            .map_err(|errno| errno.to_string())?;
        part()
    });
    unshared.read_exact(&mut [0]).unwrap();
    let pid = copy.pid().as_raw_nonzero();
    for map in ["uid_map", "gid_map"] {
        fs::write(
            format!("/proc/{pid}/{map}"),
            format!("0 {SUBORDINATE} 65536"),
        )
        .unwrap();
    }
    tell.write_all(b"m").unwrap();
    copy.succeed();
}

/// Uses a sandbox's groups from beginning to end.
fn use_one(groups: &Groups) -> Result<(), String> {
    let text = |error: warren_launcher::cgroup::Error| error.to_string();
    let group: Group = groups.make("box", &LIMITS, 0).map_err(text)?;
    let mut child = start(&group, "exec sleep 1000");
    let member = fs::read_to_string(format!("/proc/{}/cgroup", child.id()));
    let consumed = group.consumed();
    let killed = group.kill();
    child.wait().map_err(|error| error.to_string())?;
    let member = member.map_err(|error| error.to_string())?;
    let count = member.lines().filter(|line| line.ends_with("/box")).count();
    if count != if version() == 1 { 4 } else { 1 } {
        return Err(format!("it joined {count} groups: {member}"));
    }
    killed.and(consumed).map_err(text)?;
    if group.ran_out_of_memory().map_err(text)? {
        return Err("out of memory".to_owned());
    }
    group.remove().map_err(text)
}

#[test]
fn the_owner_makes_limits_joins_kills_and_removes() {
    let world = World::new();
    let owner = Some((SUBORDINATE, SUBORDINATE));
    let groups = Groups::prepare(Some(world.base()), "a", owner).unwrap();
    let before = world.groups();
    as_subordinate(|| use_one(&groups));
    assert_eq!(world.groups(), before);
}

#[test]
fn groups_that_were_not_given_cannot_be_used() {
    let world = World::new();
    let groups = world.prepare("a");
    as_subordinate(|| match groups.make("box", &LIMITS, 0) {
        Err(error) if error.to_string().contains("Permission denied") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    make(&groups, "box").remove().unwrap();
}

#[test]
fn the_owner_cannot_change_its_own_limits() {
    let world = World::new();
    let owner = Some((SUBORDINATE, SUBORDINATE));
    let _groups = Groups::prepare(Some(world.base()), "a", owner).unwrap();
    let files = match version() {
        1 => [
            ("memory", "memory.limit_in_bytes"),
            ("pids", "pids.max"),
            ("cpu", "cpu.cfs_quota_us"),
            ("cpuset", "cpuset.cpus"),
        ],
        _ => [
            ("memory", "memory.max"),
            ("pids", "pids.max"),
            ("cpu", "cpu.max"),
            ("cpuset", "cpuset.cpus"),
        ],
    };
    as_subordinate(|| {
        for (controller, file) in files {
            let path = world.directory(controller, &format!("warren-a/{file}"));
            match fs::write(&path, "1") {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                other => return Err(format!("{}: {other:?}", path.display())),
            }
        }
        Ok(())
    });
}
