//! The outcome of a job: a verdict for each run, and for the whole.
//!
//! An outcome is an answer and not an error of Warren's, whatever the user's program did.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::InstanceId;
use crate::time::EpochMillis;

/// The verdict on a run or on a whole job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It exited with status 0, and printed the expected output if there was one.
    Completed,
    /// It exited with another status, or a signal killed it.
    RuntimeError,
    /// It was still running when its wall-clock time was over.
    TimeLimitExceeded,
    /// It was killed for lack of memory, or gave up for lack of it.
    MemoryLimitExceeded,
    /// It printed more than the flood limit.
    OutputLimitExceeded,
    /// It exited with status 0, but its output is not the expected one.
    WrongAnswer,
    /// It was not run, or was cut off: the job's own time was over first, or an earlier run failed
    /// and the caller had asked to stop there.
    NotRun,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Completed,
        Self::RuntimeError,
        Self::TimeLimitExceeded,
        Self::MemoryLimitExceeded,
        Self::OutputLimitExceeded,
        Self::WrongAnswer,
        Self::NotRun,
    ];

    /// Returns the status as JSON, logs and metrics name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::RuntimeError => "runtime_error",
            Self::TimeLimitExceeded => "time_limit_exceeded",
            Self::MemoryLimitExceeded => "memory_limit_exceeded",
            Self::OutputLimitExceeded => "output_limit_exceeded",
            Self::WrongAnswer => "wrong_answer",
            Self::NotRun => "not_run",
        }
    }
}

/// One stream of a run, as text. Bytes that are not UTF-8 become U+FFFD.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The text that was kept.
    pub text: String,
    /// Whether the program printed more than was kept.
    pub truncated: bool,
}

impl Captured {
    /// Decodes these bytes as text; `truncated` if the program printed more.
    #[must_use]
    pub fn of(bytes: Vec<u8>, truncated: bool) -> Self {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) if truncated => {
                // The cap may have cut a character in two, which is not the program's fault.
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
        Self { text, truncated }
    }
}

/// One process of the user's program, from start to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The verdict on this run.
    pub status: Status,
    /// Its exit code, if it exited by itself.
    pub exit_code: Option<i32>,
    /// The signal that ended it, by name (`SIGSEGV`), if one did.
    pub signal: Option<String>,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// Wall-clock time from its start to its end.
    pub duration: Duration,
    /// CPU time of it and its children.
    pub cpu: Duration,
    /// The most memory it held, in bytes.
    pub memory_bytes: u64,
}

/// The result of one test case: its run, and the comparison of its output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseResult {
    /// The run on the case's input. `None` if it was [`Status::NotRun`].
    pub run: Option<Run>,
    /// The verdict on the case.
    pub status: Status,
    /// The first line that differs, if the run completed and its output is wrong.
    pub first_difference: Option<Difference>,
}

impl CaseResult {
    /// Judges a case by its run and by where its output first differs, if it does.
    #[must_use]
    pub fn judged(run: Run, first_difference: Option<Difference>) -> Self {
        // An output that was cut off is wrong, because the whole of it is not known.
        let wrong = first_difference.is_some() || run.stdout.truncated;
        Self {
            status: match run.status {
                Status::Completed if wrong => Status::WrongAnswer,
                status => status,
            },
            run: Some(run),
            first_difference,
        }
    }

    /// Creates the result of a case that was not run.
    #[must_use]
    pub fn not_run() -> Self {
        Self {
            run: None,
            status: Status::NotRun,
            first_difference: None,
        }
    }

    /// Returns true if the case passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.status == Status::Completed
    }
}

/// The first difference between an output and the expected one. If words or unordered lines are
/// compared, `expected` and `actual` may be on different lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// The number of the printed line, from 1, or of the expected line if nothing more was printed.
    pub line: u32,
    /// The expected line; `null` if no more lines were expected.
    #[schema(required)]
    pub expected: Option<String>,
    /// The printed line; `null` if nothing more was printed.
    #[schema(required)]
    pub actual: Option<String>,
}

/// The time that each stage of a job took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// From submission until a worker began it.
    pub queue: Duration,
    /// From then until the user's program could start: container and runner.
    pub sandbox: Duration,
    /// From then until the last verdict.
    pub run: Duration,
}

/// The outcome of a job that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The run on `input`. There is one without test cases, and with them if `input` was given.
    pub main: Option<Run>,
    /// One result for each test case, in their order.
    pub cases: Vec<CaseResult>,
    /// The time that each stage took.
    pub timings: Timings,
    /// The time at which the last run finished.
    pub finished_at: EpochMillis,
    /// The worker that ran it.
    pub worker: InstanceId,
    /// The image of its container; outside Docker, the runtime that ran it.
    pub image: String,
    /// The engine that ran it.
    #[serde(default)]
    pub engine: EngineName,
}

/// An engine that runs programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineName {
    /// A Warren worker, in a Docker container.
    #[default]
    Docker,
    /// A Judge0 that the operator configured as a fallback.
    Judge0,
    /// A Warren worker, in a sandbox of its native engine.
    Native,
}

impl EngineName {
    /// Returns its name in answers and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Judge0 => "judge0",
            Self::Native => "native",
        }
    }

    /// Returns what a sentence calls it.
    #[must_use]
    pub const fn called(self) -> &'static str {
        match self {
            Self::Docker => "Docker",
            Self::Judge0 => "Judge0",
            Self::Native => "the native engine",
        }
    }
}

impl Outcome {
    /// Returns the verdict on the whole: that of the run on `input` if it failed, else that of the
    /// first case that did not pass, else completed.
    #[must_use]
    pub fn status(&self) -> Status {
        let main = self.main.iter().map(|run| run.status);
        let cases = self.cases.iter().map(|case| case.status);
        main.chain(cases)
            .find(|status| *status != Status::Completed)
            .unwrap_or(Status::Completed)
    }

    /// Returns the run whose output and exit represent the whole: the run on `input`, else that of
    /// the first failing case that ran, else that of the first case. Only cases for which `is_shown`
    /// returns true represent it; it gets their index.
    #[must_use]
    pub fn representative(&self, is_shown: impl Fn(usize) -> bool) -> Option<&Run> {
        let shown = || {
            let cases = self.cases.iter().enumerate();
            cases.filter(|(index, _)| is_shown(*index))
        };
        let failing = shown()
            .filter(|(_, case)| !case.passed())
            .find_map(|(_, case)| case.run.as_ref());
        let first = shown().find_map(|(_, case)| case.run.as_ref());
        self.main.as_ref().or(failing).or(first)
    }
}
