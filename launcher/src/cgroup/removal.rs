//! Kills a group's processes and removes it, each within a bound.

use std::thread;
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::error::{Error, Result};
use super::folder::Folder;

/// The longest wait for killed processes to be gone. A process in an uninterruptible wait, or with
/// gigabytes to free, takes a while; one that takes longer than this is the kernel's fault.
const TO_DIE: Duration = Duration::from_secs(5);

/// The longest wait for a group to be removable. It is busy until its last process has left the kernel,
/// which is a moment after `waitid` at most.
const TO_REMOVE: Duration = Duration::from_secs(1);

/// The pauses that only yield the CPU, before those of a millisecond.
const YIELDS: u32 = 20;

/// Pauses between the attempts of one wait.
struct Pauses {
    end: Instant,
    count: u32,
}

impl Pauses {
    fn within(bound: Duration) -> Self {
        Self {
            end: Instant::now() + bound,
            count: 0,
        }
    }

    /// Pauses for a moment, or returns `false` once the time is over.
    fn pause(&mut self) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        self.count += 1;
        if self.count <= YIELDS {
            thread::yield_now();
        } else {
            thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

/// Kills every process of a group in `home`, and waits until none is left. A group that is gone has
/// none.
///
/// # Errors
///
/// If some are still there after [`TO_DIE`].
pub(super) fn kill(home: &Folder, name: &str) -> Result<()> {
    let group = match home.folder(name) {
        Err(error) if error.is_missing() => return Ok(()),
        other => other?,
    };
    let mut pauses = Pauses::within(TO_DIE);
    loop {
        let processes = processes(&group)?;
        if processes.is_empty() {
            return Ok(());
        }
        if processes.contains(&std::process::id()) {
            return Err(Error::Inside(group.path().to_owned()));
        }
        // Version 2 since Linux 5.14: all at once, also those that are being forked.
        if group.write("cgroup.kill", "1").is_err() {
            signal_each(&group)?;
        }
        if !pauses.pause() {
            return Err(Error::Unkillable(group.path().to_owned()));
        }
    }
}

/// Sends SIGKILL to each process of a group. A number may be given to another process between being read
/// and being used, so the ones that count are those still listed once a descriptor holds them.
fn signal_each(group: &Folder) -> Result<()> {
    let held: Vec<(u32, OwnedFd)> = processes(group)?
        .into_iter()
        .filter_map(|number| {
            let pid = Pid::from_raw(i32::try_from(number).ok()?)?;
            let held = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
            Some((number, held))
        })
        .collect();
    let listed = processes(group)?;
    for (_, process) in held.iter().filter(|(number, _)| listed.contains(number)) {
        // It may just have ended; the caller looks again.
        let _ = rustix::process::pidfd_send_signal(process, Signal::KILL);
    }
    Ok(())
}

/// Returns the numbers of a group's processes, the first few thousand.
fn processes(group: &Folder) -> Result<Vec<u32>> {
    let text = group.read("cgroup.procs")?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// Removes an empty group in `home`. One that is gone already counts as removed.
///
/// # Errors
///
/// If it is still busy after [`TO_REMOVE`], or cannot be removed at all.
pub(super) fn remove(home: &Folder, name: &str) -> Result<()> {
    let mut pauses = Pauses::within(TO_REMOVE);
    loop {
        match home.unlink(name) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY) if pauses.pause() => {}
            Err(errno) => {
                return Err(Error::Remove {
                    group: home.path().join(name),
                    source: errno.into(),
                });
            }
        }
    }
}
