//! Why a job has no reply, and what its caller is told.

use std::time::Duration;

use serde_json::{Value, json};
use warren_shared::contract::Problem;
use warren_shared::ids::JobId;
use warren_shared::queue::{QueueError, SubmitError};
use warren_shared::reply::{FailureCode, JobFailure};

/// When to try again if something has to come back first: workers, brokers, container engines.
const RETRY_LATER: Duration = Duration::from_secs(5);

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DispatchError {
    /// The queue did not take the job, or nobody knows whether it did.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The job is on its way, but its reply will not come to this caller.
    #[error("the reply can no longer arrive")]
    Lost(#[source] QueueError),
    /// The job is on its way, and the caller's time is over.
    #[error("no reply in time")]
    TimedOut,
    /// There is nothing that runs jobs.
    #[error("no way to run jobs is configured")]
    NoWay,
}

impl DispatchError {
    /// Whether the job has certainly not been taken, so that it can be tried elsewhere.
    pub(super) fn was_refused(&self) -> bool {
        matches!(
            self,
            Self::Submit(SubmitError::Full | SubmitError::NoWorkers | SubmitError::Unavailable)
        )
    }

    /// Whether a result may still come.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(
            self,
            Self::Lost(_) | Self::TimedOut | Self::Submit(SubmitError::Unconfirmed)
        )
    }

    /// What the caller of that job is answered; `room_in` says when jobs that are in the way
    /// will have been done, and is asked only if they are.
    pub(crate) fn into_problem(self, job_id: JobId, room_in: impl FnOnce() -> Duration) -> Problem {
        let pending = self.is_pending();
        let problem = match self {
            Self::Submit(SubmitError::Full) => retry(
                "queue_full",
                "Too many jobs are waiting. Send the request again later.",
                room_in(),
            ),
            Self::Submit(SubmitError::NoWorkers) => retry(
                "no_workers",
                "No worker is running, so nothing can run the code now. Send the request again later; if you operate this service, start a worker (`warren worker`).",
                RETRY_LATER,
            ),
            Self::Submit(SubmitError::Unavailable) => retry(
                "queue_unavailable",
                "The job queue cannot be reached. Send the request again later; if you operate this service, see GET /api/health and check the message broker.",
                RETRY_LATER,
            ),
            Self::Submit(SubmitError::Unconfirmed) | Self::Lost(_) => retry(
                "queue_unavailable",
                "The connection to the job queue was lost, so the result cannot come here. The code may have been run: look for the result at details.resultUrl, or send the request again later.",
                RETRY_LATER,
            ),
            Self::Submit(SubmitError::DeadlinePassed) => Problem::new(
                504,
                "timed_out",
                "The time was over before the job could be queued. It will not be run; send the request again.",
            ),
            Self::TimedOut => Problem::new(
                504,
                "timed_out",
                "There was no result in time. If it still comes, it will be at details.resultUrl; or send the request again when there is less load.",
            ),
            Self::NoWay => retry(
                "no_workers",
                "Nothing is configured that runs code. If you operate this service, configure the job queue.",
                RETRY_LATER,
            ),
        };
        if pending || problem.status == 504 {
            problem.with_details(details(job_id, pending))
        } else {
            problem
        }
    }
}

/// What the caller is answered when a worker could not run the job.
pub(crate) fn failure_problem(job_id: JobId, failure: &JobFailure) -> Problem {
    let message = failure.message.clone();
    let problem = match failure.code {
        FailureCode::SandboxUnavailable => retry("sandbox_unavailable", message, RETRY_LATER),
        FailureCode::UnsupportedJob => retry("unsupported_job", message, RETRY_LATER),
        FailureCode::DeadlinePassed => Problem::new(504, "timed_out", message),
        // By somebody else: a caller who has gone is not answered.
        FailureCode::Cancelled => Problem::new(409, "cancelled", message),
        // Not to be sent again by a machine: the job may well be the cause.
        FailureCode::WorkerCrashed => Problem::new(500, "worker_crashed", message),
    };
    problem.with_details(details(job_id, true))
}

fn retry(code: &'static str, message: impl Into<String>, after: Duration) -> Problem {
    Problem::new(503, code, message).retry_after(after)
}

/// `resultUrl` only where there is, or may come, something to see.
fn details(job_id: JobId, has_result: bool) -> Value {
    if has_result {
        json!({ "jobId": job_id, "resultUrl": format!("/api/executions/{job_id}") })
    } else {
        json!({ "jobId": job_id })
    }
}
