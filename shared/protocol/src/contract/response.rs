//! The answer to a caller whose code ran, whatever the verdict.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::hint::hint;
use crate::ids::{InstanceId, JobId};
use crate::outcome::{CaseResult, Difference, EngineName, Outcome, Run, Status, Timings};
use crate::submission::{Submission, TestCase};
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

/// One of `testResults`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    /// Whether it exited with status 0 and printed the expected output.
    pub passed: bool,
    /// The verdict on the case.
    pub status: Status,
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
    /// because an outcome holds neither the cases' inputs nor their expected outputs.
    #[must_use]
    pub fn without_cases(job_id: JobId, outcome: Outcome) -> Self {
        Self::build(job_id, &[], outcome)
    }

    fn build(job_id: JobId, cases: &[TestCase], outcome: Outcome) -> Self {
        let status = outcome.status();
        let run = outcome.representative().cloned();
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
    let passed = result.passed();
    let truncated = result.run.as_ref().is_some_and(is_truncated);
    let duration_ms = result
        .run
        .as_ref()
        .map_or(0.0, |run| fractional_millis(run.duration));
    let (actual_output, stderr) = result
        .run
        .map(|run| (run.stdout.text, run.stderr.text))
        .unwrap_or_default();
    TestResult {
        passed,
        status: result.status,
        input: case.input().to_owned(),
        expected_output: case.expected_output().to_owned(),
        actual_output,
        stderr,
        duration_ms,
        truncated,
        first_difference: result.first_difference,
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
