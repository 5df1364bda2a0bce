//! What became of a job that ran: a verdict for each run of the user's program, and for the
//! whole. Whatever the program did, this is an answer and not an error of ours.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::InstanceId;
use crate::time::EpochMillis;

/// The verdict on a run or on a whole job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Exited with status 0 (and printed what was expected, if anything was).
    Completed,
    /// Exited with another status, or died of a signal.
    RuntimeError,
    /// Still running when its wall-clock time was over.
    TimeLimitExceeded,
    /// Killed for want of memory, or gave up for want of it.
    MemoryLimitExceeded,
    /// Printed past the flood mark.
    OutputLimitExceeded,
    /// Exited with status 0 but printed something else than was expected.
    WrongAnswer,
    /// Not run, or cut off: the job's own time was over first, or something before it failed and
    /// the caller wanted no more.
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

    /// The status as it stands in JSON, logs and metrics.
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

/// One stream of a run, as text. Bytes that are not UTF-8 stand as U+FFFD.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// What was kept.
    pub text: String,
    /// Whether more was printed than was kept.
    pub truncated: bool,
}

impl Captured {
    /// What these bytes are as text; `truncated` if more was printed.
    #[must_use]
    pub fn of(bytes: Vec<u8>, truncated: bool) -> Self {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) if truncated => {
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
        Self { text, truncated }
    }
}

/// One process of the user's program, from start to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The verdict on this run.
    pub status: Status,
    /// What it exited with, if it exited by itself.
    pub exit_code: Option<i32>,
    /// The signal that ended it, by name (`SIGSEGV`), if one did.
    pub signal: Option<String>,
    /// What it printed.
    pub stdout: Captured,
    /// What it complained of.
    pub stderr: Captured,
    /// Wall-clock time from its start to its end.
    pub duration: Duration,
    /// CPU time of it and its children.
    pub cpu: Duration,
    /// The most memory it held, in bytes.
    pub memory_bytes: u64,
}

/// One test case: its run, and how the output compares.
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
    /// The verdict on a case whose run was this and, if it completed, printed something else here.
    #[must_use]
    pub fn judged(run: Run, first_difference: Option<Difference>) -> Self {
        // What was cut off is wrong, whatever it was: the whole of it is not known.
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

    /// A case that did not get its turn.
    #[must_use]
    pub fn not_run() -> Self {
        Self {
            run: None,
            status: Status::NotRun,
            first_difference: None,
        }
    }

    /// Whether the case passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.status == Status::Completed
    }
}

/// Where an output first differs from what was expected. Where words or unordered lines are
/// compared, `expected` and `actual` may stand in different places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// The number of the printed line, from 1; of the expected one if nothing further was printed.
    pub line: u32,
    /// The expected line; `null` if no further line was expected.
    #[schema(required)]
    pub expected: Option<String>,
    /// The printed line; `null` if nothing further was printed.
    #[schema(required)]
    pub actual: Option<String>,
}

/// Where a job's time went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// From submission until a worker began with it.
    pub queue: Duration,
    /// From there until the user's program could start: container and runner.
    pub sandbox: Duration,
    /// From there until the last verdict.
    pub run: Duration,
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The run on `input`: always there without test cases, and with them if `input` was given.
    pub main: Option<Run>,
    /// One result for each test case, in their order.
    pub cases: Vec<CaseResult>,
    /// Where the time went.
    pub timings: Timings,
    /// When the last run finished.
    pub finished_at: EpochMillis,
    /// Which worker ran it.
    pub worker: InstanceId,
    /// The image its container was made from; elsewhere, what it was run with.
    pub image: String,
    /// What ran it.
    #[serde(default)]
    pub engine: EngineName,
}

/// What runs programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineName {
    /// A worker of Warren's, in a Docker container.
    #[default]
    Docker,
    /// A Judge0 that the operator configured as a fallback.
    Judge0,
}

impl Outcome {
    /// The verdict on the whole: that of the run on `input` if it failed, else of the first case
    /// that did not pass, else completed.
    #[must_use]
    pub fn status(&self) -> Status {
        let main = self.main.iter().map(|run| run.status);
        let cases = self.cases.iter().map(|case| case.status);
        main.chain(cases)
            .find(|status| *status != Status::Completed)
            .unwrap_or(Status::Completed)
    }

    /// The run whose output and exit speak for the whole: that on `input`, else of the first
    /// failing case that ran, else of the first case.
    #[must_use]
    pub fn representative(&self) -> Option<&Run> {
        let failing = self
            .cases
            .iter()
            .filter(|case| !case.passed())
            .find_map(|case| case.run.as_ref());
        let first = self.cases.iter().find_map(|case| case.run.as_ref());
        self.main.as_ref().or(failing).or(first)
    }
}
