//! The verdicts on a job, run by run as PID 1 reports them.

use std::ops::Range;

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

/// A judge of one job's runs, with the verdicts that it has come to so far. Runs are numbered from 0 as
/// [`Submission::inputs`] lists them, and may be reported in any order.
pub(crate) struct Judge<'a> {
    submission: &'a Submission,
    /// The verdict on each run. That on the run on `input`, if there is one, is the first.
    verdicts: Vec<Option<CaseResult>>,
    /// The number of runs, from the first on, that are reported without a gap and wanted.
    settled: usize,
}

impl<'a> Judge<'a> {
    /// Creates a judge that has seen no report yet.
    pub(crate) fn new(submission: &'a Submission) -> Self {
        Self {
            submission,
            verdicts: submission.inputs().map(|_| None).collect(),
            settled: 0,
        }
    }

    /// Judges a run and decides whether the one after it is wanted.
    pub(crate) fn next(&mut self, run: usize, reported: Reported) -> Next {
        let verdict = match (self.case(run), reported) {
            (_, None) => CaseResult::not_run(),
            (Some(case), Some(report)) => verdict_on_case(case, self.submission.compare(), report),
            (None, Some(report)) => {
                let run = verdict_on_run(report);
                CaseResult {
                    status: run.status,
                    run: Some(run),
                    first_difference: None,
                }
            }
        };
        let status = verdict.status;
        if let Some(place) = self.verdicts.get_mut(run) {
            *place = Some(verdict);
        }
        self.clip();
        match (self.submission.on_failure(), status) {
            (OnFailure::GoOn, _) | (OnFailure::Stop, Status::Completed) => Next::Run,
            (OnFailure::Stop, _) => Next::Stop,
        }
    }

    /// Forgets the verdicts on these runs, since their sandbox failed and another is to run them.
    pub(crate) fn forget(&mut self, runs: Range<usize>) {
        self.settled = self.settled.min(runs.start);
        for place in self.verdicts.get_mut(runs).into_iter().flatten() {
            *place = None;
        }
    }

    /// Returns how many runs, from the first on, are wanted by what is known now: all of them; or,
    /// if the caller asked to stop at a failure, those up to the first one that failed.
    pub(crate) fn wanted(&self) -> usize {
        let has_failed =
            |verdict: &Option<CaseResult>| verdict.as_ref().is_some_and(|one| !one.passed());
        let failed = match self.submission.on_failure() {
            OnFailure::GoOn => None,
            OnFailure::Stop => self.verdicts.iter().position(has_failed),
        };
        failed.map_or(self.verdicts.len(), |failed| failed + 1)
    }

    /// Cuts what is held to what may be reported, as runs come: fifty cases of two streams of 64 KiB
    /// are many megabytes for each slot.
    ///
    /// If the caller asked to stop at a failure, runs ahead of one that is not over are left out until
    /// it is: they may be thrown away, and must not shorten the texts of others. The schedule bounds
    /// how many these are.
    fn clip(&mut self) {
        match self.submission.on_failure() {
            OnFailure::GoOn => clip_verdicts(&mut self.verdicts),
            OnFailure::Stop => {
                // One by one, as they would have come one after the other.
                while self.settled < self.wanted()
                    && let Some(Some(_)) = self.verdicts.get(self.settled)
                {
                    self.settled += 1;
                    clip_verdicts(&mut self.verdicts[..self.settled]);
                }
            }
        }
    }

    /// Returns the case that a run is on; `None` for the run on `input`.
    fn case(&self, run: usize) -> Option<&'a TestCase> {
        let cases = self.submission.test_cases();
        let before = self.verdicts.len().saturating_sub(cases.len());
        cases.get(run.checked_sub(before)?)
    }

    /// Returns the verdicts. Cases that were not reported, or that the caller no longer wanted, count as
    /// not run.
    ///
    /// The job's deadline cut off the main run, so a verdict on it would not be honest.
    pub(crate) fn finish(self) -> Result<(Option<Run>, Vec<CaseResult>)> {
        let wanted = self.wanted();
        let verdicts = self.verdicts.into_iter().enumerate();
        let mut verdicts = verdicts.map(|(run, verdict)| {
            let verdict = verdict.filter(|_| run < wanted);
            verdict.unwrap_or_else(CaseResult::not_run)
        });
        let main = match self.submission.main_input() {
            None => None,
            Some(_) => {
                let verdict = verdicts.next().and_then(|verdict| verdict.run);
                Some(verdict.ok_or(Error::DeadlinePassed)?)
            }
        };
        Ok((main, verdicts.collect()))
    }
}

fn clip_verdicts(verdicts: &mut [Option<CaseResult>]) {
    let runs = verdicts.iter_mut().flatten();
    clip_runs(runs.filter_map(|verdict| verdict.run.as_mut()));
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
        let reports = [printed("x", 1), printed("1", 0), printed("x", 0), None];
        for (run, report) in reports.into_iter().enumerate() {
            assert_eq!(judge.next(run, report), Next::Run);
        }
        let cases = vec![Status::Completed, Status::WrongAnswer, Status::NotRun];
        assert_eq!(statuses(judge), (Some(Status::RuntimeError), cases));
    }

    #[test]
    fn after_the_first_failure_nothing_runs_if_the_caller_asks_for_that() {
        let given = submission(json!({"testCases": cases(), "stopOnFailure": true}));
        let mut judge = Judge::new(&given);
        assert_eq!(judge.next(0, printed("1", 0)), Next::Run);
        assert_eq!(judge.next(1, printed("x", 0)), Next::Stop);
        assert_eq!(judge.wanted(), 2);
        let cases_then = vec![Status::Completed, Status::WrongAnswer, Status::NotRun];
        assert_eq!(statuses(judge), (None, cases_then));

        let given = submission(json!({"input": "", "testCases": cases(), "stopOnFailure": true}));
        let mut judge = Judge::new(&given);
        assert_eq!(judge.next(0, printed("1", 1)), Next::Stop);
        assert_eq!(judge.wanted(), 1);
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
            judge.next(0, printed("1\n2", 0));
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
        for run in 0..50 {
            judge.next(run, printed(&text, 0));
            let cases = judge.verdicts.iter().flatten();
            let runs = cases.filter_map(|case| case.run.as_ref());
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
        judge.next(0, None);
        judge.next(1, None);
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
