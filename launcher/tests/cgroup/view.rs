//! Verifies that a sandbox sees its own groups, and cannot change them.

use std::fs;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::UnshareFlags;
use warren_launcher::cgroup::{Group, Groups};

use crate::process::{Copy, join};
use crate::world::{LIMITS, World, make, version};

/// Mounts what a sandbox does, in the order in which it does.
fn mount(groups: &Groups, group: &Group) -> rustix::io::Result<()> {
    join(group)?;
    // SAFETY: the process has one thread, and only its namespaces change.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWCGROUP | UnshareFlags::NEWNS) }?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private)?;
    let root = "/sys/fs/cgroup";
    rustix::mount::mount("tmpfs", root, "tmpfs", MountFlags::empty(), c"size=64k")?;
    for one in groups.view() {
        if one.directory.to_str() != Ok(root) {
            rustix::fs::mkdir(&*one.directory, rustix::fs::Mode::RWXU)?;
        }
        let options = Some(&*one.options);
        let flags = MountFlags::RDONLY;
        rustix::mount::mount(&*one.kind, &*one.directory, &*one.kind, flags, options)?;
    }
    Ok(())
}

#[test]
fn a_process_reads_its_limits_and_use_where_the_runner_looks_and_writes_nothing() {
    let world = World::new();
    let groups = world.prepare("a");
    let group = make(&groups, "box");
    let files: &[&str] = match version() {
        1 => &[
            "memory/memory.limit_in_bytes",
            "memory/memory.max_usage_in_bytes",
            "memory/memory.oom_control",
            "cpu/cpu.cfs_quota_us",
            "cpuacct/cpuacct.usage",
            "pids/pids.max",
        ],
        _ => &[
            "memory.max",
            "memory.peak",
            "memory.events",
            "cpu.max",
            "cpu.stat",
            "pids.max",
        ],
    };
    Copy::run(|| {
        mount(&groups, &group).map_err(|errno| format!("cannot mount: {errno}"))?;
        let root = Path::new("/sys/fs/cgroup");
        for file in files {
            let text = fs::read_to_string(root.join(file));
            text.map_err(|error| format!("{file}: {error}"))?;
            match fs::write(root.join(file), "1") {
                Err(error) if error.raw_os_error() == Some(Errno::ROFS.raw_os_error()) => {}
                other => return Err(format!("{file} written: {other:?}")),
            }
        }
        let limit = fs::read_to_string(root.join(files[0])).unwrap_or_default();
        let is_own = limit.trim_end() == LIMITS.memory.to_string();
        is_own
            .then_some(())
            .ok_or(format!("another group's limit: {limit}"))
    })
    .succeed();
    group.remove().unwrap();
}
