//! The launcher's user namespace: entered, with its users mapped from outside.
//!
//! Inside, user 0 is the launcher and the others are those of sandboxes; nothing else is mapped. Outside,
//! each is somebody without an account. A process that root started is mapped to the block of users
//! that it holds, one that a user started to that user and its subordinate ids.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::process::Command;

use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, WaitId, WaitIdOptions, getegid, geteuid, getpid, waitid};
use rustix::thread::{
    Gid, Uid, UnshareFlags, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    unshare_unsafe,
};

use crate::arguments::RightsMode;
use crate::error::{Doing, Error};
use crate::sys::{self, Cloned, Namespaces};
use crate::users::{self, Users};
use crate::wire::Rights;

/// The longest text of a failure that a helper tells.
const MAX_TEXT: u64 = 1024;
/// A helper's answer when it has done its work.
const DONE: &str = "done";

/// Decides on the rights that this process is to have.
///
/// # Errors
/// [`Error::NotRoot`].
pub(crate) fn decide(mode: RightsMode) -> Result<Rights, Error> {
    let is_root = geteuid().is_root();
    match mode {
        RightsMode::Rootless => Ok(Rights::Rootless),
        RightsMode::Root if is_root => Ok(Rights::Root),
        RightsMode::Root => Err(Error::NotRoot),
        RightsMode::Auto if is_root && !can_be_rootless()? => Ok(Rights::Root),
        RightsMode::Auto => Ok(Rights::Rootless),
    }
}

/// Returns whether the host lets a user namespace mount what a sandbox needs. Tried in a process of
/// its own, since there is no way back.
fn can_be_rootless() -> Result<bool, Error> {
    match sys::clone(Namespaces::NONE, None).doing("trying user namespaces")? {
        Cloned::Child => sys::exit(i32::from(try_namespaces().is_err())),
        Cloned::Parent(process) => {
            let status = wait(&process)?;
            Ok(status == Some(0))
        }
    }
}

fn try_namespaces() -> rustix::io::Result<()> {
    let new = UnshareFlags::NEWUSER | UnshareFlags::NEWNS | UnshareFlags::NEWNET;
    enter_new(new)?;
    // The kernel refuses this where the visible one is partly hidden, as it refuses /proc.
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(c"sysfs", c"/sys", c"sysfs", flags, None)
}

fn enter_new(namespaces: UnshareFlags) -> rustix::io::Result<()> {
    #[expect(unsafe_code, reason = "the flags could unshare memory or descriptors")]
    // SAFETY: these are namespaces only, and the process has one thread.
    unsafe {
        unshare_unsafe(namespaces)
    }
}

/// Returns the user and group on the host that [`enter`] makes of this process, where they are not the
/// ones that it has.
pub(crate) fn owner(users: &Users) -> Option<(u32, u32)> {
    geteuid()
        .is_root()
        .then_some((users.launcher, users.launcher))
}

/// Enters a new user namespace, and becomes root in it.
///
/// # Errors
/// [`Error::Map`] or [`Error::NoSubordinates`] if users cannot be mapped; a failed system call.
pub(crate) fn enter(users: &Users) -> Result<(), Error> {
    let maps = Maps::of(users)?;
    let own = getpid();
    let (entered, mut tell) = pipe().doing("making a pipe")?;
    let (answer, answering) = pipe().doing("making a pipe")?;
    // The helper stays outside, where it has the rights to write the maps.
    let helper = match sys::clone(Namespaces::NONE, None).doing("starting a helper")? {
        Cloned::Child => {
            drop((tell, answer));
            help(&maps, own, entered, answering)
        }
        Cloned::Parent(helper) => helper,
    };
    drop((entered, answering));
    enter_new(UnshareFlags::NEWUSER).doing("making a user namespace (user.max_user_namespaces)")?;
    tell.write_all(b"x").doing("telling the helper")?;
    drop(tell);
    let mut text = String::new();
    let read = answer.take(MAX_TEXT).read_to_string(&mut text);
    read.doing("hearing the helper")?;
    wait(&helper)?;
    if text != DONE {
        return Err(Error::Map(text));
    }
    become_root().doing("becoming root in the user namespace")
}

fn become_root() -> rustix::io::Result<()> {
    // The groups first: without them there is no way to any of the host's files by group.
    set_thread_groups(&[])?;
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
}

/// Writes the maps once the launcher has entered its namespace, and ends.
fn help(maps: &Maps, launcher: Pid, mut entered: PipeReader, mut answering: PipeWriter) -> ! {
    let mut byte = [0];
    // The end of the pipe means that the launcher is gone.
    let result = match entered.read_exact(&mut byte) {
        Ok(()) => maps.write(launcher),
        Err(error) => Err(error.to_string()),
    };
    let text = result.err().unwrap_or_else(|| DONE.to_owned());
    let sent = answering.write_all(text.as_bytes());
    sys::exit(i32::from(sent.is_err()))
}

fn wait(process: &OwnedFd) -> Result<Option<i32>, Error> {
    use std::os::fd::AsFd;
    let status = waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED);
    let status = status.doing("waiting for a helper")?;
    Ok(status.and_then(|status| status.exit_status()))
}

/// The maps of users and of groups.
struct Maps {
    uids: Map,
    gids: Map,
    /// Whether this process may write them itself from outside.
    is_root: bool,
}

/// A map of two ranges: user 0, and those of sandboxes.
struct Map {
    /// The host's number for 0.
    launcher: u32,
    /// The host's first number for sandboxes.
    host: u32,
    /// The number that it has inside.
    inside: u32,
    count: u32,
}

impl Maps {
    fn of(users: &Users) -> Result<Self, Error> {
        let is_root = geteuid().is_root();
        let map = |own: u32, path: &'static str| -> Result<Map, Error> {
            let (launcher, host) = if is_root {
                (users.launcher, users.sandboxes.start)
            } else {
                // Which of the subordinate ids is as unique as the user inside.
                let first = subordinates(path, own)?;
                (own, first + (users.sandboxes.start - users::ALL.start))
            };
            Ok(Map {
                launcher,
                host,
                inside: users.sandboxes.start,
                count: users.sandboxes.end - users.sandboxes.start,
            })
        };
        Ok(Self {
            uids: map(geteuid().as_raw(), "/etc/subuid")?,
            gids: map(getegid().as_raw(), "/etc/subgid")?,
            is_root,
        })
    }

    fn write(&self, launcher: Pid) -> Result<(), String> {
        let pid = launcher.as_raw_nonzero();
        for (file, tool, map) in [
            ("uid_map", "newuidmap", &self.uids),
            ("gid_map", "newgidmap", &self.gids),
        ] {
            let numbers = map.numbers().map(|number| number.to_string());
            if self.is_root {
                let path = format!("/proc/{pid}/{file}");
                let lines = format!("{}\n{}\n", numbers[..3].join(" "), numbers[3..].join(" "));
                std::fs::write(&path, lines).map_err(|error| format!("{path}: {error}"))?;
            } else {
                run(tool, pid.get(), &numbers)?;
            }
        }
        Ok(())
    }
}

impl Map {
    /// Returns it as `newuidmap` and the kernel have it: inside, outside, count, twice.
    fn numbers(&self) -> [u32; 6] {
        [0, self.launcher, 1, self.inside, self.host, self.count]
    }
}

/// Runs one of the two tools that may write a user's maps (package `uidmap`).
fn run(tool: &str, pid: i32, numbers: &[String]) -> Result<(), String> {
    let output = Command::new(tool)
        .arg(pid.to_string())
        .args(numbers)
        .output()
        .map_err(|error| format!("{tool}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{tool}: {}", text.trim()))
}

/// Returns the first of a user's subordinate ids, of which there are enough for all launchers' users. The
/// files name a user by number here; a name would need a look into the host's accounts.
fn subordinates(path: &'static str, user: u32) -> Result<u32, Error> {
    let wanted = users::ALL.end - users::ALL.start;
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let name = account(user);
    find(&text, user, name.as_deref(), wanted).ok_or(Error::NoSubordinates { path, user, wanted })
}

/// Returns the name of a user in `/etc/passwd`.
fn account(user: u32) -> Option<String> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == user).then(|| name.to_owned())
    })
}

fn find(text: &str, user: u32, name: Option<&str>, wanted: u32) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let first: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let is_own = owner == user.to_string() || Some(owner) == name;
        (is_own && count >= wanted).then_some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ids_are_found_by_number_or_name() {
        let text = "root:1:9\nwarren:100000:65536\n1000:300000:400\n1000:500000:65536\n";
        assert_eq!(find(text, 7, Some("warren"), 478), Some(100_000));
        assert_eq!(find(text, 1000, None, 478), Some(500_000));
        assert_eq!(find(text, 1000, None, 400), Some(300_000));
        assert_eq!(find(text, 0, Some("root"), 478), None);
    }
}
