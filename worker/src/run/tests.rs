//! Property tests: runs in sandboxes of their own have the answer of runs in turn.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use warren_protocol::clip::{MAX_REPORTED, json_len};
use warren_protocol::outcome::{CaseResult, Run, Status};
use warren_protocol::submission::{OnFailure, Submission};
use warren_runner::wire::{Ending, Exit, RunReport, Stream};

use super::judge::Judge;
use super::plan;
use super::schedule::{AHEAD, Schedule};
use crate::Result;
use crate::engine::Isolation;
use crate::sandbox::Next;

type Verdicts = (Option<Run>, Vec<CaseResult>);

/// Makes a submission whose cases all expect no output.
fn submission(cases: usize, main: bool, on_failure: OnFailure) -> Submission {
    let case = json!({"input": "", "expected_output": ""});
    let submission = json!({
        "language": "python", "code": "1", "on_failure": on_failure,
        "input": main.then_some(""), "test_cases": vec![case; cases],
    });
    serde_json::from_value(submission).unwrap()
}

/// Makes the report of a run: how it ends, and how much it prints on standard error.
fn report((ending, printed): (u8, usize)) -> RunReport {
    RunReport {
        ending: match ending {
            0 => Ending::Ended(Exit::Status(1)),
            1 => Ending::TimeLimit,
            2 => Ending::MemoryLimit(Exit::Signal(9)),
            _ => Ending::Ended(Exit::Status(0)),
        },
        stdout: Stream::default(),
        stderr: Stream {
            // Six bytes of JSON each.
            bytes: vec![1; printed],
            truncated: false,
        },
        wall: Duration::from_millis(u64::from(ending)),
        cpu: Duration::ZERO,
        memory: 1,
    }
}

/// Returns the verdicts on runs in one sandbox, one after the other.
fn in_turn(submission: &Submission, reports: &[RunReport]) -> Result<Verdicts> {
    let mut judge = Judge::new(submission);
    for (run, report) in reports.iter().enumerate() {
        if judge.next(run, Some(report.clone())) == Next::Stop {
            break;
        }
    }
    judge.finish()
}

/// Choices of chance: each decides one step of a worker.
type Chances = Vec<(u8, usize)>;

/// Returns the verdicts on runs with a sandbox each, of which some begin, end, or are put back at each
/// step, as slots come and go. After the last step the job's time is over, if there is an end to it.
fn apart(
    submission: &Submission,
    reports: &[RunReport],
    chances: &[(u8, usize)],
    time: Time,
) -> Result<Verdicts> {
    let mut judge = Judge::new(submission);
    let sandboxes = plan::sandboxes(reports.len(), Isolation::Case);
    let mut schedule = Schedule::new(sandboxes, submission.on_failure());
    let (mut begun, mut chances): (Vec<usize>, _) = (Vec::new(), chances.iter());
    loop {
        let chance = chances.next();
        let is_over = chance.is_none() && time == Time::Ends;
        let (what, which) = chance.copied().unwrap_or((u8::MAX, 0));
        match schedule.next() {
            Some(sandbox) if begun.is_empty() || what < 120 => {
                schedule.begun(sandbox);
                begun.push(sandbox);
            }
            _ if begun.is_empty() => break,
            _ => {
                let sandbox = begun.swap_remove(which % begun.len());
                if what < 150 {
                    judge.forget(schedule.runs(sandbox));
                    schedule.put_back(sandbox);
                } else {
                    let report = reports[sandbox].clone();
                    let reported = (!is_over).then_some(report);
                    if schedule.is_wanted(sandbox) {
                        judge.next(sandbox, reported);
                    }
                    schedule.over(sandbox);
                }
            }
        }
        schedule.want(judge.wanted());
        if submission.on_failure() == OnFailure::Stop {
            let first = begun.iter().min().copied().unwrap_or(reports.len());
            let ahead = begun.iter().all(|sandbox| sandbox - first < AHEAD);
            assert!(ahead, "{begun:?}");
        }
    }
    judge.finish()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    /// There is enough.
    Suffices,
    /// It ends after the last step.
    Ends,
}

fn statuses(verdicts: &Verdicts) -> Vec<Status> {
    let (main, cases) = verdicts;
    let main = main.iter().map(|run| run.status);
    main.chain(cases.iter().map(|case| case.status)).collect()
}

fn json_bytes((main, cases): &Verdicts) -> usize {
    let cases = cases.iter().filter_map(|case| case.run.as_ref());
    let runs = main.iter().chain(cases);
    runs.map(|run| json_len(&run.stderr.text)).sum()
}

/// Reports of which most are good, some are bad, and some are long.
fn reports(most: usize) -> impl Strategy<Value = Vec<RunReport>> {
    let printed = prop_oneof![3 => 0_usize..40, 1 => 30_000_usize..64 * 1024];
    let report = (0_u8..24, printed).prop_map(report);
    proptest::collection::vec(report, 1..most)
}

fn chances() -> impl Strategy<Value = Chances> {
    proptest::collection::vec((any::<u8>(), any::<usize>()), 0..160)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_job_that_stops_at_a_failure_has_the_answer_of_runs_in_turn(
        reports in reports(32), chances in chances(), main: bool,
    ) {
        let cases = reports.len() - usize::from(main && reports.len() > 1);
        let main = cases < reports.len();
        let submission = submission(cases, main, OnFailure::Stop);
        let expected = in_turn(&submission, &reports).unwrap();
        let found = apart(&submission, &reports, &chances, Time::Suffices).unwrap();
        // Texts and all: what ran ahead and is thrown away shortens nothing.
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_job_that_goes_on_has_the_verdicts_of_runs_in_turn(
        reports in reports(32), chances in chances(),
    ) {
        let submission = submission(reports.len(), false, OnFailure::GoOn);
        let expected = in_turn(&submission, &reports).unwrap();
        let found = apart(&submission, &reports, &chances, Time::Suffices).unwrap();
        prop_assert_eq!(statuses(&found), statuses(&expected));
        // Which texts are cut may differ, but not how much is reported; and if it is little, nothing.
        prop_assert!(json_bytes(&found) <= MAX_REPORTED.as_len());
        let printed: usize = reports.iter().map(|report| report.stderr.bytes.len() * 6).sum();
        if printed <= MAX_REPORTED.as_len() {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_did_not_end_in_the_jobs_time_is_not_run(
        reports in reports(24), chances in chances(), stops: bool,
    ) {
        let on_failure = if stops { OnFailure::Stop } else { OnFailure::GoOn };
        let submission = submission(reports.len(), false, on_failure);
        let whole = in_turn(&submission, &reports).unwrap();
        let found = apart(&submission, &reports, &chances, Time::Ends).unwrap();
        let (whole, found) = (statuses(&whole), statuses(&found));
        for (found, whole) in found.iter().zip(&whole) {
            prop_assert!(found == whole || *found == Status::NotRun, "{:?}", found);
        }
        if stops {
            let passed = found.iter().take_while(|one| **one == Status::Completed).count();
            let after = found.iter().skip(passed + 1);
            prop_assert!(after.clone().all(|one| *one == Status::NotRun), "{:?}", found);
        }
    }
}

#[test]
fn a_main_run_that_was_not_run_is_no_answer() {
    let submission = submission(3, true, OnFailure::GoOn);
    let reports: Vec<_> = (0..4).map(|_| report((9, 0))).collect();
    let found = apart(&submission, &reports, &[], Time::Ends);
    assert!(matches!(found, Err(crate::Error::DeadlinePassed)));
}
