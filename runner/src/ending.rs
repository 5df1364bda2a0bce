//! Concludes how a run ended from the facts that were observed. Pure.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use warren_runner::wire::{Ending, Exit};

/// A reason for which the runner killed a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KillReason {
    /// Its own time was over.
    Time,
    /// The job's time was over first.
    Budget,
    /// It flooded a stream.
    Flood,
}

/// The facts about a program that ended before the runner killed it.
pub(crate) struct Facts<'a> {
    pub(crate) status: ExitStatus,
    /// Whether a stream passed the flood mark.
    pub(crate) flooded: bool,
    /// Whether the kernel killed a process of the container for lack of memory meanwhile.
    pub(crate) oom_kill: bool,
    /// The last bytes of its standard error.
    pub(crate) stderr_tail: &'a [u8],
}

/// Concludes how a program ended. A lack of memory is distinguished from an end of the program's own
/// making by these marks, in this order:
/// - `SIGKILL` (or a shell's status for it) while the kernel's memory killer was at work. The kernel
///   only counts the killer's victims. So a program that lost a child to it and then killed itself
///   looks the same, but its run did pass the limit.
/// - The last message of an interpreter that gives up, with the status that it gives up with. A
///   program may print that message itself, and gains no better verdict by it. A program that prints
///   it and then exits with another status ended by itself. So did a program that outlived a child
///   which was killed for memory.
///
/// A failure to start a process or thread is an error of the program like any other.
pub(crate) fn conclude(facts: &Facts<'_>) -> Ending {
    if facts.flooded {
        return Ending::OutputLimit;
    }
    let (exit, signal) = match (facts.status.code(), facts.status.signal()) {
        (Some(code), _) => (Exit::Status(code), signal_of_shell_status(code)),
        (None, signal) => {
            let signal = signal.unwrap_or(0);
            (Exit::Signal(signal), Some(signal))
        }
    };
    let killed_for_memory = signal == Some(libc::SIGKILL) && facts.oom_kill;
    let gave_up = match signal {
        Some(libc::SIGABRT | libc::SIGTRAP | libc::SIGILL) => v8_ran_out(facts.stderr_tail),
        None if exit == Exit::Status(1) => {
            python_ran_out(facts.stderr_tail) || node_was_refused(facts.stderr_tail)
        }
        _ => false,
    };
    if killed_for_memory || gave_up {
        Ending::MemoryLimit(exit)
    } else {
        Ending::Ended(exit)
    }
}

/// Returns the signal in a shell's status: the shell reports a signal as 128 plus its number.
fn signal_of_shell_status(code: i32) -> Option<i32> {
    (code > 128).then(|| code - 128)
}

/// Returns whether V8 aborted the process because its heap was full. It prints "FATAL ERROR:
/// Reached heap limit Allocation failed - JavaScript heap out of memory" (later versions: "# Fatal
/// JavaScript out of memory: Reached heap limit"), and a stack trace below. From a thread it prints
/// "# Fatal javascript OOM in ...".
fn v8_ran_out(stderr: &[u8]) -> bool {
    const MARKS: [&[u8]; 4] = [
        b"# Fatal JavaScript out of memory",
        b"# Fatal process out of memory",
        b"# Fatal javascript OOM in ",
        b"# Fatal process OOM in ",
    ];
    lines(stderr).any(|line| {
        (line.starts_with(b"FATAL ERROR:") && line.trim_ascii_end().ends_with(b"out of memory"))
            || MARKS.iter().any(|mark| line.starts_with(mark))
    })
}

/// Returns whether Node ended with an uncaught error: a buffer could not be allocated, or a
/// thread's heap was full.
fn node_was_refused(stderr: &[u8]) -> bool {
    lines(stderr).any(|line| {
        line == b"RangeError: Array buffer allocation failed"
            || line.starts_with(b"Error [ERR_WORKER_OUT_OF_MEMORY]: ")
    }) && lines(stderr).any(|line| line.starts_with(b"Node.js v"))
}

/// Returns whether Python ended with an uncaught `MemoryError`, the last line of its traceback.
/// Without a traceback the error is the parser's, which also raises it for a source that is nested
/// too deep.
fn python_ran_out(stderr: &[u8]) -> bool {
    let last = lines(stderr).rfind(|line| !line.trim_ascii().is_empty());
    let named = last.is_some_and(|line| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        // NumPy raises its own.
        name == b"MemoryError"
            || (name.starts_with(b"numpy.") && name.ends_with(b"._ArrayMemoryError"))
    });
    named && lines(stderr).any(|line| line.starts_with(b"  File "))
}

fn lines(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    const V8: &[u8] = b"\n<--- Last few GCs --->\n[9:0x1] 731 ms: Mark-sweep\n\n\
        FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n \
        1: 0xb8d0a3 node::Abort() [node]\n";
    const PYTHON: &[u8] = b"Traceback (most recent call last):\n  File \"/tmp/main.py\", line 1, \
        in <module>\n    b = bytearray(1 << 50)\nMemoryError\n";

    fn exited(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    fn concluded(status: ExitStatus, oom_kill: bool, stderr_tail: &[u8]) -> Ending {
        conclude(&Facts {
            status,
            flooded: false,
            oom_kill,
            stderr_tail,
        })
    }

    #[test]
    fn a_program_that_ended_by_itself_is_reported_as_it_ended() {
        assert_eq!(
            concluded(exited(0), false, b""),
            Ending::Ended(Exit::Status(0))
        );
        assert_eq!(
            concluded(exited(3), false, V8),
            Ending::Ended(Exit::Status(3))
        );
        let segv = ExitStatus::from_raw(libc::SIGSEGV);
        assert_eq!(
            concluded(segv, false, b""),
            Ending::Ended(Exit::Signal(libc::SIGSEGV))
        );
    }

    #[test]
    fn sigkill_is_a_memory_verdict_only_if_the_memory_killer_killed() {
        let kill = ExitStatus::from_raw(libc::SIGKILL);
        assert_eq!(
            concluded(kill, true, b""),
            Ending::MemoryLimit(Exit::Signal(libc::SIGKILL))
        );
        assert_eq!(
            concluded(exited(137), true, b""),
            Ending::MemoryLimit(Exit::Status(137))
        );
        assert_eq!(
            concluded(kill, false, b""),
            Ending::Ended(Exit::Signal(libc::SIGKILL))
        );
    }

    #[test]
    fn a_program_that_outlives_its_killed_child_is_judged_by_its_own_end() {
        assert_eq!(
            concluded(exited(0), true, b""),
            Ending::Ended(Exit::Status(0))
        );
        assert_eq!(
            concluded(exited(1), true, b"KeyError: 1\n"),
            Ending::Ended(Exit::Status(1))
        );
    }

    #[test]
    fn v8_that_gives_up_is_a_memory_verdict() {
        let abort = ExitStatus::from_raw(libc::SIGABRT);
        assert_eq!(
            concluded(abort, false, V8),
            Ending::MemoryLimit(Exit::Signal(libc::SIGABRT))
        );
        assert_eq!(
            concluded(exited(134), false, V8),
            Ending::MemoryLimit(Exit::Status(134))
        );
        // The core flag does not hide the signal.
        let dumped = ExitStatus::from_raw(libc::SIGABRT | 0x80);
        assert_eq!(
            concluded(dumped, false, V8),
            Ending::MemoryLimit(Exit::Signal(libc::SIGABRT))
        );
        let in_a_thread = b"#\n# Fatal javascript OOM in GC during deserialization\n#\n";
        let trap = ExitStatus::from_raw(libc::SIGTRAP);
        assert_eq!(
            concluded(trap, false, in_a_thread),
            Ending::MemoryLimit(Exit::Signal(libc::SIGTRAP))
        );
        let other = b"node: assertion `heap out of memory' failed\n";
        assert_eq!(
            concluded(abort, false, other),
            Ending::Ended(Exit::Signal(libc::SIGABRT))
        );
    }

    #[test]
    fn a_buffer_that_node_cannot_allocate_is_a_memory_verdict() {
        let uncaught = b"/tmp/main.js:1\nnew ArrayBuffer(2 ** 45);\n^\n\n\
            RangeError: Array buffer allocation failed\n    at new ArrayBuffer (<anonymous>)\n\n\
            Node.js v18.20.8\n";
        assert_eq!(
            concluded(exited(1), false, uncaught),
            Ending::MemoryLimit(Exit::Status(1))
        );
        let length = b"RangeError: Invalid array length\n\nNode.js v18.20.8\n";
        assert_eq!(
            concluded(exited(1), false, length),
            Ending::Ended(Exit::Status(1))
        );
    }

    #[test]
    fn an_uncaught_memory_error_is_a_memory_verdict() {
        assert_eq!(
            concluded(exited(1), false, PYTHON),
            Ending::MemoryLimit(Exit::Status(1))
        );
        let caught = b"  File \"main.py\"\nMemoryError\n  File \"main.py\"\nValueError: later\n";
        assert_eq!(
            concluded(exited(1), false, caught),
            Ending::Ended(Exit::Status(1))
        );
        for other in [
            "Traceback\n  File \"main.py\", line 1\nMemoryErrors\n",
            // The parser's.
            "MemoryError\n",
            "MemoryError: Parser stack overflowed - Python source too complex to parse\n",
        ] {
            assert_eq!(
                concluded(exited(1), false, other.as_bytes()),
                Ending::Ended(Exit::Status(1))
            );
        }
        let numpy =
            b"Traceback (most recent call last):\n  File \"/tmp/main.py\", line 2, in <module>\n\
            numpy.core._exceptions._ArrayMemoryError: Unable to allocate 7.28 TiB for an array\n";
        assert_eq!(
            concluded(exited(1), false, numpy),
            Ending::MemoryLimit(Exit::Status(1))
        );
        assert_eq!(
            concluded(exited(2), false, PYTHON),
            Ending::Ended(Exit::Status(2))
        );
    }

    #[test]
    fn a_flood_counts_even_if_the_program_ended_first() {
        let facts = Facts {
            status: exited(0),
            flooded: true,
            oom_kill: false,
            stderr_tail: b"",
        };
        assert_eq!(conclude(&facts), Ending::OutputLimit);
    }
}
