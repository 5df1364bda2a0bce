//! Tries system calls in a child process, where none of them can do harm.

#![expect(
    unsafe_code,
    reason = "system calls by number, with arguments that no safe interface would pass"
)]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// The time after which a call that waits is ended. Only calls that wait for ever reach it.
const WAITS: Duration = Duration::from_secs(5);

/// The same for calls of which that is known: it only costs time.
const IS_KNOWN_TO_WAIT: Duration = Duration::from_millis(20);

/// One system call to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) number: i64,
    pub(super) arguments: [i64; 6],
    pub(super) manner: Manner,
}

/// The manner in which a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Plain,
    /// It waits for ever if it is let through.
    Waits,
    /// By the end of a signal handler, the only way that does no harm.
    BySignal,
    /// By a second return on the same stack, so in assembly.
    Vfork,
    /// By the 32-bit table of x86_64.
    Foreign,
}

/// The kernel's answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It succeeded, with this result.
    Returned(i64),
    /// It failed with this error number.
    Failed(i32),
    /// The process was killed by this signal.
    Killed(i32),
    /// The process ended or waited, as the call is made to.
    Obeyed,
}

impl Answer {
    /// Returns the one word that does not depend on the kernel's version: `reached`, or the refusal.
    ///
    /// Every call is tried with arguments that the kernel itself answers with other errors than
    /// these, if the caller has all capabilities.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Failed(libc::EPERM) => "EPERM",
            Self::Failed(libc::EACCES) => "EACCES",
            Self::Failed(libc::ENOSYS) => "ENOSYS",
            Self::Failed(libc::EAFNOSUPPORT) => "EAFNOSUPPORT",
            Self::Failed(libc::EPROTONOSUPPORT) => "EPROTONOSUPPORT",
            Self::Failed(libc::ENOLCK) => "ENOLCK",
            Self::Killed(libc::SIGSYS) => "killed",
            Self::Returned(_) | Self::Failed(_) | Self::Killed(_) | Self::Obeyed => "reached",
        }
    }
}

/// Tries the calls in order, in as few child processes as they leave alive.
///
/// # Errors
/// No child process or pipe can be made.
pub(super) fn try_all(calls: &[Call]) -> io::Result<Vec<Answer>> {
    let mut answers = Vec::with_capacity(calls.len());
    while answers.len() < calls.len() {
        let rest = &calls[answers.len()..];
        let (mut results, ending) = in_child(rest)?;
        results.truncate(rest.len());
        let all = results.len() == rest.len();
        answers.extend(results);
        if !all {
            answers.push(ending);
        }
    }
    Ok(answers)
}

/// Makes calls in a child until one ends it. Returns the answers, and how the child ended.
fn in_child(calls: &[Call]) -> io::Result<(Vec<Answer>, Answer)> {
    let (from_child, to_parent) = pipe()?;
    // SAFETY: this process has one thread, so that the child may go on as if it had been started
    // so; it makes system calls only, and never returns.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            leave_no_core_file();
            for call in calls {
                answer(call, to_parent.as_raw_fd());
            }
            end();
        }
        child => {
            drop(to_parent);
            let mut bytes = Vec::new();
            // The end of the stream is the child's end: each call's time is bounded.
            File::from(from_child).read_to_end(&mut bytes)?;
            let (results, _) = bytes.as_chunks();
            let results = results.iter().map(|raw| result(i64::from_ne_bytes(*raw)));
            Ok((results.collect(), ending(child)?))
        }
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: the array takes the two descriptors, which are new and have no other owner.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

fn result(raw: i64) -> Answer {
    // The kernel's own rule: errors are -1 to -4095.
    match raw {
        -4095..=-1 => Answer::Failed(i32::try_from(-raw).unwrap_or(i32::MAX)),
        raw => Answer::Returned(raw),
    }
}

fn ending(child: i32) -> io::Result<Answer> {
    let mut status = 0;
    // SAFETY: `status` is valid for writing.
    while unsafe { libc::waitpid(child, &raw mut status, 0) } == -1 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    if libc::WIFSIGNALED(status) && libc::WTERMSIG(status) != libc::SIGALRM {
        Ok(Answer::Killed(libc::WTERMSIG(status)))
    } else {
        Ok(Answer::Obeyed)
    }
}

/// Makes a call and writes its raw result for the parent. In the child.
fn answer(call: &Call, to_parent: RawFd) {
    let within = match call.manner {
        Manner::Waits => IS_KNOWN_TO_WAIT,
        _ => WAITS,
    };
    let raw = match call.manner {
        Manner::Plain | Manner::Waits => {
            end_after(within);
            plainly(call)
        }
        Manner::BySignal => by_signal(),
        Manner::Vfork => vfork(call.number),
        Manner::Foreign => foreign(call.number),
    };
    // SAFETY: writes eight bytes of this frame, fewer than a pipe takes at once.
    unsafe { libc::write(to_parent, (&raw const raw).cast(), size_of_val(&raw)) };
}

fn end_after(time: Duration) {
    let timer = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: libc::timeval {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_usec: i64::from(time.subsec_micros()),
        },
    };
    // SAFETY: the kernel only reads the timer. SIGALRM has its default action, which ends the
    // process.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
}

/// Keeps a crash of the child from reaching the host's handler of core files.
fn leave_no_core_file() {
    // SAFETY: changes an attribute of the calling process alone.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
}

fn plainly(call: &Call) -> i64 {
    let [a, b, c, d, e, f] = call.arguments;
    // SAFETY: whatever the call does to this process, it does to a child that is thrown away and
    // uses no memory but its stack. A call that makes a process returns zero in that one, which
    // ends here.
    unsafe {
        *libc::__errno_location() = 0;
        let result = libc::syscall(call.number, a, b, c, d, e, f);
        if result == -1 && *libc::__errno_location() != 0 {
            return -i64::from(*libc::__errno_location());
        }
        #[cfg(target_arch = "x86_64")]
        if result == 0 && call.number == libc::SYS_fork {
            end();
        }
        result
    }
}

/// Ends the process without any of the standard library's last steps.
fn end() -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(0) }
}

/// Handles a signal, whose return is a system call of its own: without it the process crashes.
fn by_signal() -> i64 {
    extern "C" fn nothing(_signal: i32) {}
    // SAFETY: the handler does nothing at all.
    unsafe {
        libc::signal(libc::SIGUSR1, nothing as *const () as libc::sighandler_t);
        i64::from(libc::raise(libc::SIGUSR1))
    }
}

#[cfg(target_arch = "x86_64")]
fn vfork(number: i64) -> i64 {
    let result;
    // SAFETY: the new process shares this stack and pushes nothing on it: it ends at once by
    // `exit_group` (231), and until then this one waits.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor edi, edi",
            "mov eax, 231",
            "syscall",
            "2:",
            inlateout("rax") number => result,
            out("rdi") _, out("rcx") _, out("r11") _,
        );
    }
    result
}

#[cfg(target_arch = "x86_64")]
fn foreign(number: i64) -> i64 {
    let result: i64;
    // SAFETY: the call takes no argument and writes no memory; the kernel clears r8 to r11.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("rax") number => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    // A 32-bit result: its sign is in bit 31.
    #[expect(clippy::cast_possible_truncation, reason = "the call's own width")]
    i64::from(result as i32)
}

#[cfg(not(target_arch = "x86_64"))]
fn vfork(_number: i64) -> i64 {
    -i64::from(libc::ENOSYS)
}

#[cfg(not(target_arch = "x86_64"))]
fn foreign(_number: i64) -> i64 {
    -i64::from(libc::ENOSYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: i64, manner: Manner) -> Call {
        Call {
            number,
            arguments: [-1; 6],
            manner,
        }
    }

    #[test]
    fn calls_that_end_or_stop_their_process_hide_none_of_the_others() {
        let calls = [
            call(libc::SYS_getpid, Manner::Plain),
            call(libc::SYS_exit_group, Manner::Plain),
            call(libc::SYS_close, Manner::Plain),
            call(libc::SYS_rt_sigreturn, Manner::BySignal),
            call(libc::SYS_ppoll, Manner::Plain),
        ];
        let answers = try_all(&calls).unwrap();
        assert!(matches!(answers[0], Answer::Returned(1..)), "{answers:?}");
        let rest = [
            Answer::Obeyed,
            Answer::Failed(libc::EBADF),
            Answer::Returned(0),
            Answer::Failed(libc::EFAULT),
        ];
        assert_eq!(answers[1..], rest);
    }

    #[test]
    fn results_are_told_from_errors_by_the_kernels_rule() {
        assert_eq!(result(-1), Answer::Failed(libc::EPERM));
        assert_eq!(result(-4095), Answer::Failed(4095));
        assert_eq!(result(-4096), Answer::Returned(-4096));
        assert_eq!(result(7), Answer::Returned(7));
    }

    #[test]
    fn only_refusals_have_words_of_their_own() {
        let words = [libc::EPERM, libc::ENOSYS, libc::EBADF, libc::EFAULT].map(Answer::Failed);
        let words = words.map(Answer::word);
        assert_eq!(words, ["EPERM", "ENOSYS", "reached", "reached"]);
        assert_eq!(Answer::Killed(libc::SIGSYS).word(), "killed");
        assert_eq!(Answer::Killed(libc::SIGSEGV).word(), "reached");
    }
}
