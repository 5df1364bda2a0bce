//! Processes that join a group, or run a part of a test on their own.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use warren_launcher::cgroup::{Group, Join};

/// The longest wait for what should take a moment.
const SOON: Duration = Duration::from_secs(60);

/// Opens the files by which a process joins a group with writes.
fn files(group: &Group) -> rustix::io::Result<Vec<OwnedFd>> {
    match group.join() {
        Join::Write(files) => files
            .iter()
            .map(|file| rustix::io::fcntl_dupfd_cloexec(file, 0))
            .collect(),
        Join::Into(directory) => {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let file = rustix::fs::openat(directory, "cgroup.procs", flags, Mode::empty())?;
            Ok(vec![file])
        }
    }
}

fn write_to(files: &[OwnedFd]) -> rustix::io::Result<()> {
    files
        .iter()
        .try_for_each(|file| rustix::io::write(file, b"0").map(drop))
}

/// Joins a group with this process, which must have one thread.
pub(crate) fn join(group: &Group) -> rustix::io::Result<()> {
    write_to(&files(group)?)
}

/// Starts a shell command in a group.
pub(crate) fn start(group: &Group, command: &str) -> Child {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    let files = files(group).unwrap();
    // SAFETY: it only writes to descriptors.
    unsafe { shell.pre_exec(move || Ok(write_to(&files)?)) };
    shell.spawn().expect("a process in the group")
}

/// A forked copy of this process that runs a part of a test.
pub(crate) struct Copy(Pid);

impl Copy {
    /// Forks one. It ends with `part`, with status 0 if that is `Ok`.
    pub(crate) fn run(part: impl FnOnce() -> Result<(), String>) -> Self {
        // SAFETY: the child has this thread alone. The C library makes its allocator usable there, and
        // the child touches no lock of the test harness: it writes to descriptor 2 and exits at once.
        match unsafe { libc::fork() } {
            0 => {
                // A test that is killed must not leave it behind.
                let with_parent = Some(Signal::KILL);
                let bound = rustix::process::set_parent_process_death_signal(with_parent);
                let result = bound
                    .map_err(|errno| errno.to_string())
                    .and_then(|()| part());
                if let Err(error) = &result {
                    let text = format!("in the forked process: {error}\n");
                    let _ = rustix::io::write(io::stderr().as_fd(), text.as_bytes());
                }
                // SAFETY: ends the process without running what the parent registered.
                unsafe { libc::_exit(i32::from(result.is_err())) }
            }
            pid => Self(Pid::from_raw(pid).expect("a process")),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.0
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> WaitStatus {
        let options = WaitOptions::empty();
        let status = rustix::process::waitpid(Some(self.0), options).unwrap();
        status.expect("a status").1
    }

    /// Waits for it to succeed.
    pub(crate) fn succeed(self) {
        assert_eq!(self.wait().exit_status(), Some(0), "see its message above");
    }

    /// Kills it as an operator or the kernel would.
    pub(crate) fn kill(self) {
        rustix::process::kill_process(self.0, Signal::KILL).unwrap();
        assert_eq!(self.wait().terminating_signal(), Some(libc::SIGKILL));
    }
}

/// Polls until something is so.
pub(crate) fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < SOON, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The flag of clone3(2), which `libc` has in too small a type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Clones a process into a directory of version 2, and returns the group that it finds itself in.
pub(crate) fn clone_into(directory: impl AsFd) -> String {
    let (read, write) = io::pipe().unwrap();
    let arguments = libc::clone_args {
        flags: CLONE_INTO_CGROUP,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: u64::try_from(directory.as_fd().as_raw_fd()).unwrap(),
        // SAFETY: zeros mean no other wish.
        ..unsafe { std::mem::zeroed() }
    };
    // SAFETY: without CLONE_VM the child has memory of its own, as after a fork.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of_val(&arguments),
        )
    };
    if pid == 0 {
        let own = std::fs::read("/proc/self/cgroup").unwrap_or_default();
        let _ = rustix::io::write(&write, &own);
        // SAFETY: as in `Copy::run`.
        unsafe { libc::_exit(0) };
    }
    assert!(pid > 0, "{}", io::Error::last_os_error());
    drop(write);
    let text = io::read_to_string(read).unwrap();
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    rustix::process::waitpid(pid, WaitOptions::empty()).unwrap();
    text
}
