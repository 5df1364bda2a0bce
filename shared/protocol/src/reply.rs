//! What a worker sends back for a job.

use serde::{Deserialize, Serialize};

use crate::ids::JobId;
use crate::job::Job;
use crate::outcome::Outcome;

/// How often a job is given to a worker at most.
///
/// When a worker dies, every job that it held is *suspect*, because any of them may have killed it.
/// A suspect is tried once more, alone. If its worker dies again, the job was the cause: it is put
/// aside and answered with [`FailureCode::WorkerCrashed`]. Handing a job back does not count.
pub const MAX_TRIES: u32 = 2;

/// The worker's answer to one job, matched to its waiter by `job_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Version of this message; see [`Job::VERSION`].
    pub version: u16,
    /// The job it answers.
    pub job_id: JobId,
    /// What became of it.
    pub result: Result<Outcome, JobFailure>,
    /// The job itself. Who records a reply that no waiter took knows the job from here alone;
    /// `None` if the worker could not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<Job>>,
}

impl Reply {
    /// The answer to `job_id`.
    #[must_use]
    pub fn new(job_id: JobId, result: Result<Outcome, JobFailure>) -> Self {
        Self {
            version: Job::VERSION,
            job_id,
            result,
            job: None,
        }
    }

    /// The queue's own answer to a job that was lost with every worker that took it.
    #[must_use]
    pub fn worker_crashed(job: Job) -> Self {
        let failure = JobFailure {
            code: FailureCode::WorkerCrashed,
            message: format!(
                "The job was lost {MAX_TRIES} times, with the worker that had it or with that worker's connection, so it is not tried again. If the code cannot be the cause, send the request again; if you operate this service, see the workers' logs."
            ),
        };
        Self::new(job.id, Err(failure)).about(job)
    }

    /// The answer to a job that nobody wants any more.
    #[must_use]
    pub fn cancelled(job: Job, progress: Progress) -> Self {
        Self::new(job.id, Err(JobFailure::cancelled(progress))).about(job)
    }

    /// The queue's own answer to a job that nobody waits for and that no worker took in time.
    #[must_use]
    pub fn deadline_passed(job: Job) -> Self {
        Self::new(job.id, Err(JobFailure::deadline_passed())).about(job)
    }

    /// The same with the job it answers, as every worker that could read the job sends it.
    #[must_use]
    pub fn about(mut self, job: Job) -> Self {
        self.job = Some(Box::new(job));
        self
    }
}

/// Why a worker could not run a job. Our fault, never the program's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct JobFailure {
    /// What kind of failure.
    pub code: FailureCode,
    /// What happened and what to do, for the caller.
    pub message: String,
}

impl JobFailure {
    /// That nobody wants the job any more: its caller has gone, or it was cancelled.
    #[must_use]
    pub fn cancelled(progress: Progress) -> Self {
        let what = match progress {
            Progress::NotBegun => "before the job was begun, so it was not run",
            Progress::Running => "while the job ran, so it was ended",
        };
        Self {
            code: FailureCode::Cancelled,
            message: format!(
                "The job was cancelled, or its caller closed the connection, {what}. Send the request again if the result is still wanted."
            ),
        }
    }

    /// The job was not begun in time.
    #[must_use]
    pub fn deadline_passed() -> Self {
        Self {
            code: FailureCode::DeadlinePassed,
            message: "the job's deadline passed before a worker could take it".to_owned(),
        }
    }
}

/// How far a job had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No container had it.
    NotBegun,
    /// It was in its container, or on its way there.
    Running,
}

/// The kinds of failure of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// No container could be made or spoken to.
    SandboxUnavailable,
    /// The worker does not know the job's language, or is of another version.
    UnsupportedJob,
    /// The deadline had passed before the program could be started.
    DeadlinePassed,
    /// Every worker that took the job was lost before it could answer.
    WorkerCrashed,
    /// The caller hung up first, or somebody cancelled it.
    Cancelled,
}
