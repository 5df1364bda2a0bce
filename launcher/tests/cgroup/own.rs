//! Verifies the groups of a launcher that uses the group which it was started in.

use std::fs;
use std::process::Command;

use warren_launcher::cgroup::Groups;

use crate::process::Copy;
use crate::world::{LIMITS, World, version};

/// Makes the base a group that a process can be in.
pub(crate) fn make_base(world: &World) {
    match version() {
        1 => {
            drop(world.prepare("first"));
            Groups::sweep(Some(world.base())).unwrap();
        }
        // Without controllers for its children, as a service gets it.
        _ => fs::create_dir(world.directory("memory", "")).unwrap(),
    }
}

/// Returns the group of a process, as it is below the base.
fn group_of(world: &World, process: u32) -> Result<String, String> {
    let text = fs::read_to_string(format!("/proc/{process}/cgroup"));
    let text = text.map_err(|error| error.to_string())?;
    let base = world.base().display().to_string();
    let below = |line: &str| Some(line.split_once(&base)?.1.to_owned());
    text.lines().find_map(below).ok_or(text)
}

fn prepare_there(world: &World) -> Result<(), String> {
    for directory in world.directories("") {
        let joined = fs::write(directory.join("cgroup.procs"), "0");
        joined.map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    let worker = Command::new("sleep").arg("1000").spawn();
    let mut worker = worker.map_err(|error| error.to_string())?;
    let result = check(world, worker.id());
    let _ = worker.kill();
    let _ = worker.wait();
    result
}

fn check(world: &World, worker: u32) -> Result<(), String> {
    let text = |error: warren_launcher::cgroup::Error| error.to_string();
    // The second one is a launcher that a worker has started again: it finds the same service.
    for instance in ["a", "b"] {
        let groups = Groups::prepare(None, instance, None).map_err(text)?;
        let group = groups.make("box", &LIMITS, 0).map_err(text)?;
        let made = world.directory("memory", &format!("warren-{instance}/box"));
        if !made.exists() {
            return Err(format!("{} is missing", made.display()));
        }
        group.remove().map_err(text)?;
        let own = group_of(world, std::process::id())?;
        let expected = match version() {
            1 => (String::new(), String::new()),
            _ => (format!("/warren-{instance}/launcher"), "/launcher".into()),
        };
        let seen = (own, group_of(world, worker)?);
        if seen != expected {
            return Err(format!("{seen:?} instead of {expected:?}"));
        }
    }
    Ok(())
}

#[test]
fn a_launcher_shares_its_services_group_with_the_worker() {
    let world = World::new();
    make_base(&world);
    Copy::run(|| prepare_there(&world)).succeed();
    if version() == 2 {
        fs::remove_dir(world.directory("memory", "launcher")).unwrap();
    }
}
