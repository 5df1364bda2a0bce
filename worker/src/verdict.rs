//! From what PID 1 saw to the verdict that the caller reads.

use warren_protocol::compare::Compare;
use warren_protocol::compare::first_difference;
use warren_protocol::outcome::{Captured, CaseResult, Run, Status};
use warren_protocol::signal;
use warren_protocol::submission::TestCase;
use warren_runner::wire::{Ending, Exit, RunReport, Stream};

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
        Exit::Signal(number) => (None, Some(signal::name(number))),
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
    CaseResult::judged(run(report), first_difference)
}

fn captured(stream: Stream) -> Captured {
    Captured::of(stream.bytes, stream.truncated)
}

/// What ends a program at a limit.
pub(crate) const SIGKILL: i32 = 9;

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
