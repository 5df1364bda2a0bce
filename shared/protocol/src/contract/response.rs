//! The answer to a caller whose code ran, whatever the verdict.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::hint::hint;
use crate::ids::{InstanceId, JobId};
use crate::outcome::{CaseResult, Difference, EngineName, Outcome, Run, Status, Timings};
use crate::submission::{Submission, TestCase, Visibility};
use crate::time::{EpochMillis, fractional_millis};

/// The body of a 200 answer. Times are in milliseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecuteResponse {
    /// Exit status 0, and every test case passed.
    pub success: bool,
    /// The job's id.
    pub job_id: JobId,
    /// The verdict on the whole.
    pub status: Status,
    /// Standard output of the run on `input`, else of the first failing case, else of the first.
    /// Hidden cases are passed over; if there are no others, this is empty.
    pub stdout: String,
    /// Standard error of the same run.
    pub stderr: String,
    /// That run's exit code, `null` if a signal ended it.
    #[schema(required)]
    pub exit_code: Option<i32>,
    /// The signal that ended it, by name.
    #[schema(required)]
    pub signal: Option<String>,
    /// When the last run finished, as milliseconds since the epoch (the original contract's name).
    pub execution_time: EpochMillis,
    /// That run's wall-clock time.
    pub duration_ms: f64,
    /// That run's CPU time.
    pub cpu_ms: f64,
    /// The most memory that run held.
    pub memory_bytes: u64,
    /// Whether either stream was cut at its cap.
    pub truncated: bool,
    /// Whether the record has no texts, because its caller had recorded too many that day; absent
    /// if false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub texts_left_out: bool,
    /// What may explain the verdict: a run whose time was over held much of its memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// One result for each test case; absent without test cases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_results: Vec<TestResult>,
    /// The time that each stage took.
    pub timings: TimingsMs,
    /// The worker that ran it.
    pub worker: InstanceId,
    /// The image of its container; outside Docker, the runtime that ran it.
    pub image: String,
    /// The engine that ran it.
    #[serde(default)]
    pub engine: EngineName,
}

/// One of `testResults`. That of a hidden case has its verdict and its duration alone: its texts are
/// empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    /// Whether it exited with status 0 and printed the expected output.
    pub passed: bool,
    /// The verdict on the case.
    pub status: Status,
    /// Whether the request hid the case; absent if false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// Its standard input.
    pub input: String,
    /// The output it should have printed.
    pub expected_output: String,
    /// The output it printed; empty if it was not run.
    pub actual_output: String,
    /// Its standard error.
    pub stderr: String,
    /// Its wall-clock time.
    pub duration_ms: f64,
    /// Whether either stream was cut at its cap.
    pub truncated: bool,
    /// The first line that differs, when the answer is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_difference: Option<Difference>,
}

/// The time that each stage of a job took, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimingsMs {
    /// From submission until a worker began it.
    pub queue_ms: f64,
    /// From then until the program could start.
    pub sandbox_ms: f64,
    /// From then until the last verdict.
    pub run_ms: f64,
}

impl ExecuteResponse {
    /// Builds the answer for a job that ran `submission` and ended in `outcome`.
    #[must_use]
    pub fn new(job_id: JobId, submission: &Submission, outcome: Outcome) -> Self {
        Self::build(job_id, submission.test_cases(), outcome)
    }

    /// Builds the answer for a job of which only the outcome is known. It has no `testResults`,
    /// because an outcome holds neither the cases' inputs nor their expected outputs, and no case
    /// represents it, because any of them may be hidden.
    #[must_use]
    pub fn without_cases(job_id: JobId, outcome: Outcome) -> Self {
        Self::build(job_id, &[], outcome)
    }

    fn build(job_id: JobId, cases: &[TestCase], outcome: Outcome) -> Self {
        let status = outcome.status();
        let is_shown = |index: usize| {
            let case = cases.get(index);
            case.is_some_and(|case| case.visibility() == Visibility::Shown)
        };
        let run = outcome.representative(is_shown).cloned();
        let test_results = cases
            .iter()
            .zip(outcome.cases)
            .map(|(case, result)| test_result(case, result))
            .collect();
        let base = Self {
            success: status == Status::Completed,
            job_id,
            status,
            stdout: String::new(),
            stderr: String::new(),
            exit_code: None,
            signal: None,
            execution_time: outcome.finished_at,
            duration_ms: 0.0,
            cpu_ms: 0.0,
            memory_bytes: 0,
            truncated: false,
            texts_left_out: false,
            hint: None,
            test_results,
            timings: outcome.timings.into(),
            worker: outcome.worker,
            image: outcome.image,
            engine: outcome.engine,
        };
        let Some(run) = run else { return base };
        Self {
            truncated: is_truncated(&run),
            hint: hint(&run),
            stdout: run.stdout.text,
            stderr: run.stderr.text,
            exit_code: run.exit_code,
            signal: run.signal,
            duration_ms: fractional_millis(run.duration),
            cpu_ms: fractional_millis(run.cpu),
            memory_bytes: run.memory_bytes,
            ..base
        }
    }
}

fn test_result(case: &TestCase, result: CaseResult) -> TestResult {
    let duration = result.run.as_ref().map(|run| run.duration);
    let verdict = TestResult {
        passed: result.passed(),
        status: result.status,
        hidden: false,
        input: String::new(),
        expected_output: String::new(),
        actual_output: String::new(),
        stderr: String::new(),
        duration_ms: duration.map_or(0.0, fractional_millis),
        truncated: false,
        first_difference: None,
    };
    if case.visibility() == Visibility::Hidden {
        return TestResult {
            hidden: true,
            ..verdict
        };
    }
    let truncated = result.run.as_ref().is_some_and(is_truncated);
    let texts = result.run.map(|run| (run.stdout.text, run.stderr.text));
    let (actual_output, stderr) = texts.unwrap_or_default();
    TestResult {
        input: case.input().to_owned(),
        expected_output: case.expected_output().to_owned(),
        actual_output,
        stderr,
        truncated,
        first_difference: result.first_difference,
        ..verdict
    }
}

fn is_truncated(run: &Run) -> bool {
    run.stdout.truncated || run.stderr.truncated
}

impl From<Timings> for TimingsMs {
    fn from(timings: Timings) -> Self {
        Self {
            queue_ms: fractional_millis(timings.queue),
            sandbox_ms: fractional_millis(timings.sandbox),
            run_ms: fractional_millis(timings.run),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use warren_languages::{Languages, PolicyMode};

    use super::*;
    use crate::contract::ExecuteRequest;
    use crate::outcome::Captured;

    const SECRET: &str = "SECRET";

    /// A submission with these cases, of which those with `true` are hidden and full of a secret.
    fn submission(hidden: &[bool], input: Option<&str>) -> Submission {
        let case = |hidden: &bool| match hidden {
            true => serde_json::json!({"input": SECRET, "expectedOutput": SECRET, "hidden": true}),
            false => serde_json::json!({"input": "i", "expectedOutput": "o", "hidden": false}),
        };
        let cases: Vec<_> = hidden.iter().map(case).collect();
        let body = serde_json::json!({
            "language": "python", "code": "1", "input": input, "testCases": cases,
        });
        let request = ExecuteRequest::from_json(body.to_string().as_bytes()).unwrap();
        Submission::parse(request, &Languages::embedded(), PolicyMode::Off).unwrap()
    }

    /// A run that tells all it can of its input.
    fn run(status: Status, text: &str) -> Run {
        let captured = || Captured {
            text: text.to_owned(),
            truncated: text == SECRET,
        };
        Run {
            status,
            exit_code: (text == SECRET).then_some(83),
            signal: (text == SECRET).then(|| SECRET.to_owned()),
            stdout: captured(),
            stderr: captured(),
            duration: Duration::from_millis(20),
            cpu: Duration::from_millis(if text == SECRET { 83 } else { 10 }),
            memory_bytes: if text == SECRET { 83 } else { 7 },
        }
    }

    fn outcome(cases: &[(bool, Status)], main: Option<Status>) -> Outcome {
        let case = |(hidden, status): &(bool, Status)| {
            let text = if *hidden { SECRET } else { "printed" };
            let difference = (*status == Status::WrongAnswer).then(|| Difference {
                line: 1,
                expected: Some(text.to_owned()),
                actual: Some(text.to_owned()),
            });
            match status {
                Status::NotRun => CaseResult::not_run(),
                Status::WrongAnswer => CaseResult::judged(run(Status::Completed, text), difference),
                status => CaseResult {
                    run: Some(run(*status, text)),
                    status: *status,
                    first_difference: None,
                },
            }
        };
        Outcome {
            main: main.map(|status| run(status, "main")),
            cases: cases.iter().map(case).collect(),
            timings: Timings::default(),
            finished_at: EpochMillis::now(),
            worker: InstanceId::new("worker"),
            image: "python".to_owned(),
            engine: EngineName::Docker,
        }
    }

    proptest! {
        /// Whatever became of the cases, nothing of a hidden one is answered but its verdict.
        #[test]
        fn of_a_hidden_case_only_the_verdict_is_answered(
            cases in proptest::collection::vec((any::<bool>(), 0..Status::ALL.len()), 1..6),
            main in proptest::option::of(0..2_usize),
        ) {
            let cases: Vec<_> = cases.iter().map(|(hidden, at)| (*hidden, Status::ALL[*at])).collect();
            let hidden: Vec<_> = cases.iter().map(|(hidden, _)| *hidden).collect();
            let submission = submission(&hidden, main.map(|_| "in"));
            let queued = serde_json::to_vec(&submission).unwrap();
            let submission: Submission = serde_json::from_slice(&queued).unwrap();
            let outcome = outcome(&cases, main.map(|at| Status::ALL[at]));
            let known = outcome.clone();
            let answer = ExecuteResponse::new(JobId::new(), &submission, outcome);
            let json = serde_json::to_string(&answer).unwrap();
            prop_assert!(!json.contains(SECRET), "{}", json);
            prop_assert!(answer.exit_code != Some(83) && answer.memory_bytes != 83);
            prop_assert!(answer.cpu_ms < 83.0 && !answer.truncated);
            prop_assert_eq!(answer.status, known.status());
            for (result, (hidden, status)) in answer.test_results.iter().zip(&cases) {
                prop_assert_eq!((result.hidden, result.status), (*hidden, *status));
                prop_assert_eq!(result.passed, *status == Status::Completed);
                prop_assert_eq!(result.input.is_empty(), *hidden);
                prop_assert!(*status == Status::NotRun || result.duration_ms > 0.0);
            }
            let unknown = ExecuteResponse::without_cases(JobId::new(), known);
            let json = serde_json::to_string(&unknown).unwrap();
            prop_assert!(!json.contains(SECRET) && !json.contains("printed"), "{}", json);
        }
    }

    #[test]
    fn the_first_failing_case_that_is_shown_represents_the_whole() {
        let answer = |cases: &[(bool, Status)]| {
            let hidden: Vec<_> = cases.iter().map(|(hidden, _)| *hidden).collect();
            let submission = submission(&hidden, None);
            ExecuteResponse::new(JobId::new(), &submission, outcome(cases, None))
        };
        let failed = (true, Status::RuntimeError);
        let shown = answer(&[failed, (false, Status::Completed)]);
        assert_eq!(
            (shown.status, &*shown.stdout),
            (Status::RuntimeError, "printed")
        );
        let none = answer(&[failed, failed]);
        assert_eq!(
            (&*none.stdout, &*none.stderr, none.exit_code),
            ("", "", None)
        );
    }

    #[test]
    fn answers_of_older_versions_are_read_and_new_ones_look_the_same() {
        let answer = ExecuteResponse::new(
            JobId::new(),
            &submission(&[false], None),
            outcome(&[(false, Status::Completed)], None),
        );
        let json = serde_json::to_value(&answer).unwrap();
        assert!(json.get("textsLeftOut").is_none());
        assert!(json["testResults"][0].get("hidden").is_none());
        assert_eq!(
            serde_json::from_value::<ExecuteResponse>(json).unwrap(),
            answer
        );
    }
}
