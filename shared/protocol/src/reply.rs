//! A worker's reply to a job.

use serde::{Deserialize, Serialize};

use crate::ids::JobId;
use crate::job::Job;
use crate::outcome::Outcome;

/// The maximum number of attempts at a job that a caller waits for.
///
/// When a worker dies, every job that it held is *suspect*, because any of them may have killed it.
/// A suspect is tried once more, alone. If its worker dies again, the job was the cause: it is
/// dead-lettered and answered with [`FailureCode::WorkerCrashed`]. A job that is handed back, or
/// whose worker lost no more than its connection, has not used an attempt.
pub const MAX_TRIES: u32 = 2;
/// The maximum number of attempts at a job that nobody waits for: the first beside others, the rest
/// alone. More than [`MAX_TRIES`], because a worker may die of something else at each of them (a new
/// version, a machine that is switched off), and there is time.
pub const MAX_UNATTENDED_TRIES: u32 = 5;

/// A worker's answer to one job, matched to its waiter by `job_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Version of this message; see [`Job::VERSION`].
    pub version: u16,
    /// The id of the job it answers.
    pub job_id: JobId,
    /// The job's outcome, or the reason why it could not be run.
    pub result: Result<Outcome, JobFailure>,
    /// The job itself. An API that records an unclaimed reply knows the job from here alone; `None`
    /// if the worker could not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<Job>>,
}

impl Reply {
    /// Creates the answer to `job_id`.
    #[must_use]
    pub fn new(job_id: JobId, result: Result<Outcome, JobFailure>) -> Self {
        Self {
            version: Job::VERSION,
            job_id,
            result,
            job: None,
        }
    }

    /// Creates the queue's own answer to a job that was lost with every worker that took it.
    #[must_use]
    pub fn worker_crashed(job: Job) -> Self {
        let failure = JobFailure {
            code: FailureCode::WorkerCrashed,
            message: "Every worker that took the job was lost, the last one while the job ran alone, so it will not be retried. If the code cannot be the cause, send the request again; if you operate this service, see the workers' logs.".to_owned(),
        };
        Self::new(job.id, Err(failure)).about(job)
    }

    /// Creates the answer to a cancelled job.
    #[must_use]
    pub fn cancelled(job: Job, progress: Progress) -> Self {
        Self::new(job.id, Err(JobFailure::cancelled(progress))).about(job)
    }

    /// Creates the queue's own answer to an unattended job that no worker took in time.
    #[must_use]
    pub fn deadline_passed(job: Job) -> Self {
        Self::new(job.id, Err(JobFailure::deadline_passed())).about(job)
    }

    /// Adds the job that it answers, as every worker does that could read the job.
    #[must_use]
    pub fn about(mut self, job: Job) -> Self {
        self.job = Some(Box::new(job));
        self
    }
}

/// The reason why a worker could not run a job. It is Warren's fault, never the program's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct JobFailure {
    /// The kind of failure.
    pub code: FailureCode,
    /// The explanation and the advice for the caller.
    pub message: String,
}

impl JobFailure {
    /// Creates the failure of a cancelled job, or of one whose caller has closed the connection.
    #[must_use]
    pub fn cancelled(progress: Progress) -> Self {
        let what = match progress {
            Progress::NotBegun => "before the job began, so it was not run",
            Progress::Running => "while the job ran, so it was stopped",
        };
        Self {
            code: FailureCode::Cancelled,
            message: format!(
                "The job was cancelled, or its caller closed the connection, {what}. Send the request again if the result is still wanted."
            ),
        }
    }

    /// Creates the failure of a job that no worker began in time.
    #[must_use]
    pub fn deadline_passed() -> Self {
        Self {
            code: FailureCode::DeadlinePassed,
            message: "the job's deadline passed before a worker could take it".to_owned(),
        }
    }
}

/// The progress of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It had not reached a container.
    NotBegun,
    /// It was in its container, or on its way into it.
    Running,
}

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// No container could be created or reached.
    SandboxUnavailable,
    /// The worker does not know the job's language or version.
    UnsupportedJob,
    /// The deadline had passed before the program could be started.
    DeadlinePassed,
    /// Every worker that took the job was lost before it could answer.
    WorkerCrashed,
    /// The job was cancelled, or its caller closed the connection.
    Cancelled,
}
