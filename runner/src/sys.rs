//! System calls that have no safe interface elsewhere, each as one safe function.

#![expect(
    unsafe_code,
    reason = "waiting with resource usage, killing everything and signals have no safe interface"
)]

use std::fmt::Display;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;
use std::time::Duration;

/// The highest signal number: on Linux they are 1 to 64.
const LAST_SIGNAL: i32 = 64;

/// Writes a line for the container's log (fd 2). Never the user's data.
pub(crate) fn diagnose(message: &dyn Display) {
    // If this fails, there is nowhere left to report it.
    let _ = writeln!(io::stderr(), "warren-runner: {message}");
}

/// Closes every descriptor above the standard streams at the next exec, whoever opened it. Safe
/// between fork and exec. Kernels before 5.11 lack the call; the runner opens everything
/// close-on-exec anyway.
pub(crate) fn close_all_on_exec() {
    // SAFETY: changes flags of descriptors only; a descriptor that its owner wants to inherit
    // does not exist here.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3_u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
    }
}

/// Puts the calling process under a system-call filter irrevocably. Returns the descriptor at which
/// its supervisor receives the calls that the filter asks about. Safe between fork and exec.
pub(crate) fn apply_asking_filter(program: &[libc::sock_filter]) -> io::Result<OwnedFd> {
    let listener = set_filter(program, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?;
    // SAFETY: the descriptor is new and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(listener) })
}

/// Puts the calling process under a system-call filter that asks about nothing irrevocably. Safe
/// between fork and exec.
pub(crate) fn apply_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    set_filter(program, 0).map(drop)
}

fn set_filter(program: &[libc::sock_filter], flags: libc::c_ulong) -> io::Result<i32> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap_or(u16::MAX),
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel only reads the program.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    check(i32::try_from(result).unwrap_or(-1))
}

/// Receives a call that a filter asks about, and returns its number there. Blocks if there is none.
pub(crate) fn receive_call(listener: BorrowedFd<'_>) -> io::Result<u64> {
    let mut call = MaybeUninit::<libc::seccomp_notif>::zeroed();
    let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
    // SAFETY: the kernel fills the structure, which has to be all zeroes before.
    unsafe {
        check(libc::ioctl(
            listener.as_raw_fd(),
            request,
            call.as_mut_ptr(),
        ))?;
        Ok(call.assume_init().id)
    }
}

/// Answers a call that a filter asked about: the kernel goes on with it, or its caller is told the
/// error.
pub(crate) fn answer_call(
    listener: BorrowedFd<'_>,
    id: u64,
    answer: Result<(), i32>,
) -> io::Result<()> {
    const GO_ON: u32 = 1;
    let (flags, error) = match answer {
        Ok(()) => (GO_ON, 0),
        Err(errno) => (0, -errno),
    };
    let mut answer = libc::seccomp_notif_resp {
        id,
        val: 0,
        error,
        flags,
    };
    let request = libc::SECCOMP_IOCTL_NOTIF_SEND;
    // SAFETY: the kernel only reads the answer.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw mut answer) })?;
    Ok(())
}

/// Puts the calling process under a Landlock ruleset irrevocably, through exec and fork. Safe between
/// fork and exec.
pub(crate) fn restrict_self(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the kernel only reads the ruleset behind the descriptor, which is open.
    let result =
        unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0_u32) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Allows a Landlock ruleset's processes to write to one file. Safe between fork and exec.
pub(crate) fn allow_writing(ruleset: BorrowedFd<'_>, file: BorrowedFd<'_>) -> io::Result<()> {
    /// `LANDLOCK_RULE_PATH_BENEATH` of `linux/landlock.h`.
    const BENEATH: libc::c_int = 1;
    /// `LANDLOCK_ACCESS_FS_WRITE_FILE`.
    const WRITE: u64 = 1 << 1;
    /// `LANDLOCK_ACCESS_FS_TRUNCATE`, which version 3 brought.
    const TRUNCATE: u64 = 1 << 14;
    /// The kernel's `struct landlock_path_beneath_attr`.
    #[repr(C, packed)]
    struct Beneath {
        access: u64,
        file: libc::c_int,
    }
    let mut result = -1;
    for access in [WRITE | TRUNCATE, WRITE] {
        let rule = Beneath {
            access,
            file: file.as_raw_fd(),
        };
        // SAFETY: the kernel only reads the rule, which lives until the call returns, and both
        // descriptors are open.
        result = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                ruleset.as_raw_fd(),
                BENEATH,
                &raw const rule,
                0_u32,
            )
        };
        if result == 0 {
            break;
        }
    }
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Gives every signal its default action, also those that the C library reserves for its threads and
/// refuses to set: the engine's parent may have ignored them, and a program would inherit that.
pub(crate) fn default_all_signals() {
    /// The kernel's `struct sigaction`, which no architecture has longer: all zeroes are the
    /// default action, no flags and an empty mask.
    const DEFAULT_ACTION: [u64; 4] = [0; 4];
    /// Bytes of the kernel's `sigset_t`.
    const SET_SIZE: usize = 8;
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the kernel only reads the action, and the default one needs no handler to stay
        // alive. Those signals that cannot be set are refused by the call.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                DEFAULT_ACTION.as_ptr(),
                ptr::null_mut::<u64>(),
                SET_SIZE,
            );
        }
    }
}

/// Makes a write to a closed pipe return an error instead of raising a signal.
pub(crate) fn ignore_sigpipe() {
    // SAFETY: as above; no handler is installed.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Undoes for a new process what PID 1 did to its own signals: those that are blocked or ignored
/// stay so through exec. Safe between fork and exec.
pub(crate) fn restore_signals() -> io::Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initialises the set before it is read; no handler is installed.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        check(libc::sigemptyset(set.as_mut_ptr()))?;
        check(libc::sigprocmask(
            libc::SIG_SETMASK,
            set.as_ptr(),
            ptr::null_mut(),
        ))?;
    }
    Ok(())
}

/// Opens a descriptor that is readable when a child has ended. Installs no handler.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initialises the set before it is read; the descriptor is new and
    // has no other owner.
    unsafe {
        check(libc::sigemptyset(set.as_mut_ptr()))?;
        let mut set = set.assume_init();
        check(libc::sigaddset(&raw mut set, libc::SIGCHLD))?;
        check(libc::sigprocmask(
            libc::SIG_BLOCK,
            &raw const set,
            ptr::null_mut(),
        ))?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        let fd = check(libc::signalfd(-1, &raw const set, flags))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// An ended process, with the resources that it and the children that it waited for have used.
pub(crate) struct EndedProcess {
    pub(crate) pid: u32,
    pub(crate) status: ExitStatus,
    pub(crate) cpu: Duration,
    /// Bytes.
    pub(crate) max_rss: u64,
}

/// The finding of [`reap_one`].
pub(crate) enum Children {
    Ended(EndedProcess),
    Alive,
    None,
}

/// Reaps one ended child, without waiting.
pub(crate) fn reap_one() -> io::Result<Children> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are valid for writing; an all-zero rusage is a valid one.
    let (pid, usage) = unsafe {
        let options = libc::WNOHANG | libc::__WALL;
        let pid = libc::wait4(-1, &raw mut status, options, usage.as_mut_ptr());
        (pid, usage.assume_init())
    };
    match check(pid) {
        Ok(0) => Ok(Children::Alive),
        Ok(pid) => Ok(Children::Ended(EndedProcess {
            pid: pid.unsigned_abs(),
            status: ExitStatus::from_raw(status),
            cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
            max_rss: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
        })),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(Children::None),
        Err(error) => Err(error),
    }
}

/// Returns the CPU time that a process has used, all threads together; `None` if there is no such
/// process.
pub(crate) fn cpu_of(pid: u32) -> Option<Duration> {
    let mut clock = 0;
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: both pointers are valid for writing; an all-zero time is a valid one.
    let time = unsafe {
        let pid = libc::pid_t::try_from(pid).ok()?;
        if libc::clock_getcpuclockid(pid, &raw mut clock) != 0 {
            return None;
        }
        check(libc::clock_gettime(clock, time.as_mut_ptr())).ok()?;
        time.assume_init()
    };
    let nanos = u32::try_from(time.tv_nsec).ok()?;
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, nanos))
}

/// Kills every process in the container but PID 1, at one instant: the kernel lets no process
/// fork its way past it.
pub(crate) fn kill_all() {
    // SAFETY: only PID 1 of a container gets here (`shield::raise`), so -1 means its programs.
    // It fails if there is no process to kill, which is fine.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    /// The first of the signals that the C library keeps for itself.
    const RESERVED: i32 = 32;

    #[test]
    fn signals_that_the_c_library_reserves_get_their_default_action_too() {
        let ignored = |reset: bool| {
            let mut cat = Command::new("cat");
            cat.arg("/proc/self/status");
            // SAFETY: system calls only.
            unsafe {
                cat.pre_exec(move || {
                    let ignore = [libc::SIG_IGN as u64, 0, 0, 0];
                    let old = ptr::null_mut::<u64>();
                    libc::syscall(
                        libc::SYS_rt_sigaction,
                        RESERVED,
                        ignore.as_ptr(),
                        old,
                        8_usize,
                    );
                    if reset {
                        default_all_signals();
                    }
                    Ok(())
                });
            }
            let status = String::from_utf8(cat.output().unwrap().stdout).unwrap();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
            u64::from_str_radix(mask.unwrap().trim(), 16).unwrap() >> (RESERVED - 1) & 1
        };
        assert_eq!((ignored(false), ignored(true)), (1, 0));
    }
}
