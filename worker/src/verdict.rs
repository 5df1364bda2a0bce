//! From what PID 1 saw to the verdict that the caller reads.

use warren_runner::wire::{Ending, Exit, RunReport, Stream};
use warren_shared::compare::Compare;
use warren_shared::outcome::{Captured, CaseResult, Run, Status};
use warren_shared::submission::TestCase;

use crate::compare::first_difference;

/// The verdict on one run.
#[must_use]
pub fn run(report: RunReport) -> Run {
    let (status, exit) = match report.ending {
        Ending::Ended(Exit::Status(0)) => (Status::Completed, Exit::Status(0)),
        Ending::Ended(exit) => (Status::RuntimeError, exit),
        Ending::MemoryLimit(exit) => (Status::MemoryLimitExceeded, exit),
        Ending::TimeLimit => (Status::TimeLimitExceeded, Exit::Signal(SIGKILL)),
        Ending::OutputLimit => (Status::OutputLimitExceeded, Exit::Signal(SIGKILL)),
    };
    let (exit_code, signal) = match exit {
        Exit::Status(code) => (Some(code), None),
        Exit::Signal(number) => (None, Some(signal_name(number))),
    };
    Run {
        status,
        exit_code,
        signal,
        stdout: captured(report.stdout),
        stderr: captured(report.stderr),
        duration: report.wall,
        cpu: report.cpu,
        memory_bytes: report.memory,
    }
}

/// The verdict on a test case and on its run.
#[must_use]
pub fn case(case: &TestCase, compare: Compare, report: RunReport) -> CaseResult {
    let first_difference = match report.ending {
        Ending::Ended(Exit::Status(0)) => {
            first_difference(compare, case.expected_output(), &report.stdout.bytes)
        }
        _ => None,
    };
    let run = run(report);
    // What was cut off is wrong, whatever it was: the whole of it is not known.
    let wrong = first_difference.is_some() || run.stdout.truncated;
    CaseResult {
        status: match run.status {
            Status::Completed if wrong => Status::WrongAnswer,
            status => status,
        },
        run: Some(run),
        first_difference,
    }
}

/// A case that did not get its turn.
#[must_use]
pub fn case_not_run() -> CaseResult {
    CaseResult {
        run: None,
        status: Status::NotRun,
        first_difference: None,
    }
}

/// Bytes that are not UTF-8 become U+FFFD; a NUL stays what it is.
fn captured(stream: Stream) -> Captured {
    let text = match String::from_utf8(stream.bytes) {
        Ok(text) => text,
        Err(error) if stream.truncated => {
            // The cap may have cut a character in two, which is no fault of the program's.
            let end = error.utf8_error();
            let bytes = error.as_bytes();
            let whole = if end.error_len().is_none() {
                &bytes[..end.valid_up_to()]
            } else {
                bytes
            };
            String::from_utf8_lossy(whole).into_owned()
        }
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    Captured {
        text,
        truncated: stream.truncated,
    }
}

/// What ends a program at a limit.
pub(crate) const SIGKILL: i32 = 9;

/// The signals of Linux (signal(7)), the same on x86_64 and aarch64.
const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

fn signal_name(number: i32) -> String {
    let known = usize::try_from(number)
        .ok()
        .and_then(|n| SIGNALS.get(n.checked_sub(1)?));
    known.map_or_else(|| format!("SIG{number}"), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn report(ending: Ending, stdout: &[u8], stderr: &[u8]) -> RunReport {
        let stream = |bytes: &[u8]| Stream {
            bytes: bytes.to_vec(),
            truncated: false,
        };
        RunReport {
            ending,
            stdout: stream(stdout),
            stderr: stream(stderr),
            wall: Duration::from_millis(5),
            cpu: Duration::from_millis(4),
            memory: 1,
        }
    }

    #[test]
    fn each_ending_has_its_verdict() {
        let verdict = |ending| {
            let run = run(report(ending, b"", b""));
            (run.status, run.exit_code, run.signal)
        };
        assert_eq!(
            verdict(Ending::Ended(Exit::Status(0))),
            (Status::Completed, Some(0), None)
        );
        assert_eq!(
            verdict(Ending::Ended(Exit::Status(3))),
            (Status::RuntimeError, Some(3), None)
        );
        assert_eq!(
            verdict(Ending::Ended(Exit::Signal(11))),
            (Status::RuntimeError, None, Some("SIGSEGV".into()))
        );
        assert_eq!(
            verdict(Ending::Ended(Exit::Signal(34))),
            (Status::RuntimeError, None, Some("SIG34".into()))
        );
        assert_eq!(verdict(Ending::TimeLimit).0, Status::TimeLimitExceeded);
        assert_eq!(
            verdict(Ending::MemoryLimit(Exit::Status(1))),
            (Status::MemoryLimitExceeded, Some(1), None)
        );
        assert_eq!(
            verdict(Ending::MemoryLimit(Exit::Signal(9))),
            (Status::MemoryLimitExceeded, None, Some("SIGKILL".into()))
        );
        assert_eq!(verdict(Ending::OutputLimit).0, Status::OutputLimitExceeded);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_nul_is_kept() {
        assert_eq!(
            run(report(Ending::Ended(Exit::Status(0)), b"a\xffb\0", b""))
                .stdout
                .text,
            "a\u{fffd}b\0"
        );
    }

    #[test]
    fn a_character_cut_by_the_cap_is_left_out() {
        let cut = |bytes: &[u8]| {
            captured(Stream {
                bytes: bytes.to_vec(),
                truncated: true,
            })
            .text
        };
        assert_eq!(cut("aä".as_bytes()), "aä");
        assert_eq!(cut(b"a\xc3"), "a");
        assert_eq!(cut(b"\xffa"), "\u{fffd}a");
    }
}
