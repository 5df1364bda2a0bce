//! The verdicts on a job, run by run as PID 1 reports them.

use warren_protocol::clip::clip_runs;
use warren_protocol::compare::Compare;
use warren_protocol::compare::first_difference;
use warren_protocol::outcome::{Captured, CaseResult, Run, Status};
use warren_protocol::signal;
use warren_protocol::submission::{OnFailure, Submission, TestCase};
use warren_runner::wire::{Ending, Exit, RunReport, Stream};

use crate::sandbox::{Next, Reported};
use crate::{Error, Result};

/// The signal that ends a program at a limit.
pub(super) const SIGKILL: i32 = 9;

/// A judge of one job's runs, with the reports that it has seen so far.
pub(crate) struct Judge<'a> {
    submission: &'a Submission,
    main: Main,
    cases: Vec<CaseResult>,
}

/// The state of the run on `input`.
enum Main {
    /// The caller asked for none.
    Unasked,
    /// It is the next to be reported.
    Awaited,
    /// The job's time was over first.
    NotRun,
    /// It ran.
    Ran(Run),
}

impl<'a> Judge<'a> {
    /// Creates a judge that has seen no report yet.
    pub(crate) fn new(submission: &'a Submission) -> Self {
        Self {
            submission,
            main: match submission.main_input() {
                Some(_) => Main::Awaited,
                None => Main::Unasked,
            },
            cases: Vec::with_capacity(submission.test_cases().len()),
        }
    }

    /// Judges the next run and decides whether the one after it is wanted.
    pub(crate) fn next(&mut self, reported: Reported) -> Next {
        let status = if matches!(self.main, Main::Awaited) {
            self.next_is_main(reported)
        } else {
            self.next_is_case(reported)
        };
        self.clip();
        match (self.submission.on_failure(), status) {
            (OnFailure::GoOn, _) | (OnFailure::Stop, Status::Completed) => Next::Run,
            (OnFailure::Stop, _) => Next::Stop,
        }
    }

    /// Cuts what is held to what may be reported, as runs come: fifty cases of two streams of 64 KiB
    /// are many megabytes for each slot.
    fn clip(&mut self) {
        let main = match &mut self.main {
            Main::Ran(run) => Some(run),
            Main::Unasked | Main::Awaited | Main::NotRun => None,
        };
        let cases = self.cases.iter_mut();
        let cases = cases.filter_map(|case| case.run.as_mut());
        clip_runs(main.into_iter().chain(cases));
    }

    fn next_is_main(&mut self, reported: Reported) -> Status {
        let run = reported.map(verdict_on_run);
        let status = run.as_ref().map_or(Status::NotRun, |run| run.status);
        self.main = run.map_or(Main::NotRun, Main::Ran);
        status
    }

    fn next_is_case(&mut self, reported: Reported) -> Status {
        let case = self.submission.test_cases().get(self.cases.len());
        let result = match (case, reported) {
            (Some(case), Some(report)) => verdict_on_case(case, self.submission.compare(), report),
            _ => CaseResult::not_run(),
        };
        let status = result.status;
        self.cases.push(result);
        status
    }

    /// Returns the verdicts. Cases that were not reported count as not run.
    ///
    /// The job's deadline cut off the main run, so a verdict on it would not be honest.
    pub(crate) fn finish(mut self) -> Result<(Option<Run>, Vec<CaseResult>)> {
        let main = match self.main {
            Main::Unasked => None,
            Main::Ran(run) => Some(run),
            Main::Awaited | Main::NotRun => return Err(Error::DeadlinePassed),
        };
        let cases = self.submission.test_cases().len();
        self.cases.resize_with(cases, CaseResult::not_run);
        Ok((main, self.cases))
    }
}

/// Makes the verdict on one run.
fn verdict_on_run(report: RunReport) -> Run {
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

/// Makes the verdict on a test case and on its run.
fn verdict_on_case(case: &TestCase, compare: Compare, report: RunReport) -> CaseResult {
    let first_difference = match report.ending {
        Ending::Ended(Exit::Status(0)) => {
            first_difference(compare, case.expected_output(), &report.stdout.bytes)
        }
        _ => None,
    };
    CaseResult::judged(verdict_on_run(report), first_difference)
}

fn captured(stream: Stream) -> Captured {
    Captured::of(stream.bytes, stream.truncated)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use warren_languages::{Languages, PolicyMode};
    use warren_protocol::clip::MAX_REPORTED;
    use warren_protocol::contract::ExecuteRequest;

    use super::*;

    fn submission(more: Value) -> Submission {
        let mut body = json!({"language": "python", "code": "1"});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        let request = ExecuteRequest::from_json(body.to_string().as_bytes()).unwrap();
        Submission::parse(request, &Languages::embedded(), PolicyMode::Enforce).unwrap()
    }

    fn printed(text: &str, exit: i32) -> Reported {
        Some(RunReport {
            ending: Ending::Ended(Exit::Status(exit)),
            stdout: Stream {
                bytes: text.into(),
                truncated: false,
            },
            stderr: Stream::default(),
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            memory: 0,
        })
    }

    fn statuses(judge: Judge<'_>) -> (Option<Status>, Vec<Status>) {
        let (main, cases) = judge.finish().unwrap();
        let cases = cases.iter().map(|case| case.status).collect();
        (main.map(|run| run.status), cases)
    }

    fn cases() -> Value {
        json!([{"expectedOutput": "1"}, {"expectedOutput": "2"}, {"expectedOutput": "3"}])
    }

    #[test]
    fn each_report_is_judged_in_its_turn() {
        let submission = submission(json!({"input": "", "testCases": cases()}));
        let mut judge = Judge::new(&submission);
        for report in [printed("x", 1), printed("1", 0), printed("x", 0), None] {
            assert_eq!(judge.next(report), Next::Run);
        }
        let cases = vec![Status::Completed, Status::WrongAnswer, Status::NotRun];
        assert_eq!(statuses(judge), (Some(Status::RuntimeError), cases));
    }

    #[test]
    fn after_the_first_failure_nothing_runs_if_the_caller_asks_for_that() {
        let given = submission(json!({"testCases": cases(), "stopOnFailure": true}));
        let mut judge = Judge::new(&given);
        assert_eq!(judge.next(printed("1", 0)), Next::Run);
        assert_eq!(judge.next(printed("x", 0)), Next::Stop);
        let cases_then = vec![Status::Completed, Status::WrongAnswer, Status::NotRun];
        assert_eq!(statuses(judge), (None, cases_then));

        let given = submission(json!({"input": "", "testCases": cases(), "stopOnFailure": true}));
        let mut judge = Judge::new(&given);
        assert_eq!(judge.next(printed("1", 1)), Next::Stop);
        let cases_then = vec![Status::NotRun; 3];
        assert_eq!(statuses(judge), (Some(Status::RuntimeError), cases_then));
    }

    #[test]
    fn cases_are_compared_as_asked() {
        for (compare, status) in [
            ("exact", Status::WrongAnswer),
            ("tokens", Status::Completed),
        ] {
            let cases = json!([{"expectedOutput": "1 2"}]);
            let given = submission(json!({"testCases": cases, "compare": compare}));
            let mut judge = Judge::new(&given);
            judge.next(printed("1\n2", 0));
            assert_eq!(statuses(judge), (None, vec![status]));
        }
    }

    #[test]
    fn texts_are_cut_as_they_come_and_judged_whole() {
        // 50 x 64 KiB that are six times as much in JSON: the cases pass, and little of them is held.
        let text = "\u{1}".repeat(64 * 1024);
        let case = json!({"expectedOutput": text});
        let given = submission(json!({"testCases": vec![case; 50]}));
        let mut judge = Judge::new(&given);
        for _ in 0..50 {
            judge.next(printed(&text, 0));
            let runs = judge.cases.iter().filter_map(|case| case.run.as_ref());
            let held: usize = runs.map(|run| run.stdout.text.capacity() * 6).sum();
            assert!(held <= MAX_REPORTED.as_len() + 64, "{held}");
        }
        let (_main, cases) = judge.finish().unwrap();
        assert!(cases.iter().all(CaseResult::passed));
        let cut = |case: &CaseResult| case.run.as_ref().is_some_and(|run| run.stdout.truncated);
        assert!(cut(&cases[0]), "and marked");
    }

    #[test]
    fn a_main_run_that_was_cut_off_gets_no_verdict() {
        let submission = submission(json!({"input": "", "testCases": cases()}));
        let mut judge = Judge::new(&submission);
        judge.next(None);
        judge.next(None);
        assert!(matches!(judge.finish(), Err(Error::DeadlinePassed)));
    }

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
            let run = verdict_on_run(report(ending, b"", b""));
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
    fn bytes_that_are_not_text_are_replaced_and_nul_is_kept() {
        assert_eq!(
            verdict_on_run(report(Ending::Ended(Exit::Status(0)), b"a\xffb\0", b""))
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
