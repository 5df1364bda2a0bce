//! The verdicts of one job, run by run as they are reported.

use warren_protocol::outcome::{CaseResult, Run, Status};
use warren_protocol::submission::{OnFailure, Submission};

use crate::conversation::{Next, Reported};
use crate::{Error, Result, verdict};

/// What is known of a job's runs so far.
pub(crate) struct Judge<'a> {
    submission: &'a Submission,
    main: Main,
    cases: Vec<CaseResult>,
}

/// The run on `input`.
enum Main {
    /// There is none.
    Unasked,
    /// It is the next to be reported.
    Awaited,
    /// The job's time was over first.
    NotRun,
    /// It ran.
    Ran(Run),
}

impl<'a> Judge<'a> {
    /// Nothing is known yet.
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

    /// Judges the next run, and says whether the one after it is wanted.
    pub(crate) fn next(&mut self, reported: Reported) -> Next {
        let status = if matches!(self.main, Main::Awaited) {
            self.next_is_main(reported)
        } else {
            self.next_is_case(reported)
        };
        match (self.submission.on_failure(), status) {
            (OnFailure::GoOn, _) | (OnFailure::Stop, Status::Completed) => Next::Run,
            (OnFailure::Stop, _) => Next::Stop,
        }
    }

    fn next_is_main(&mut self, reported: Reported) -> Status {
        let run = reported.map(verdict::run);
        let status = run.as_ref().map_or(Status::NotRun, |run| run.status);
        self.main = run.map_or(Main::NotRun, Main::Ran);
        status
    }

    fn next_is_case(&mut self, reported: Reported) -> Status {
        let case = self.submission.test_cases().get(self.cases.len());
        let result = match (case, reported) {
            (Some(case), Some(report)) => verdict::case(case, self.submission.compare(), report),
            _ => CaseResult::not_run(),
        };
        let status = result.status;
        self.cases.push(result);
        status
    }

    /// The verdicts. Cases that were not reported are not run.
    ///
    /// # Errors
    /// The main run was cut off by our deadline: a verdict on it would not be honest.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use warren_languages::{Languages, PolicyMode};
    use warren_protocol::contract::ExecuteRequest;
    use warren_runner::wire::{Ending, Exit, RunReport, Stream};

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
    fn the_first_failure_is_the_last_run_if_the_caller_wants_it_so() {
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
    fn a_main_run_that_was_cut_off_has_no_verdict() {
        let submission = submission(json!({"input": "", "testCases": cases()}));
        let mut judge = Judge::new(&submission);
        judge.next(None);
        judge.next(None);
        assert!(matches!(judge.finish(), Err(Error::DeadlinePassed)));
    }
}
