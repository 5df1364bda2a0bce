//! Errors of dispatch, and the answers to their callers.

use std::time::Duration;

use serde_json::{Value, json};
use warren_protocol::contract::Problem;
use warren_protocol::ids::JobId;
use warren_protocol::reply::{FailureCode, JobFailure};
use warren_queue::{QueueError, SubmitError};

use super::BackendName;
use super::fault::Fault;
use crate::execution::Acceptance;

/// `Retry-After` while something is down: workers, brokers, container engines.
const RETRY_LATER: Duration = Duration::from_secs(5);

/// The message for a job that could not be done in time.
pub(crate) const OVERLOADED: &str = "There are more jobs than can be done in time. Retry after the number of seconds in Retry-After; if you operate this service, add workers.";

/// A reason why there is no reply.
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
    /// There are more jobs than this Warren's workers can do in time.
    #[error("there are more jobs than can be done in time")]
    Overloaded,
    /// A fallback did not take the job, or failed with it.
    #[error(transparent)]
    Fallback(#[from] Fault),
    /// Several backends were tried; these are their errors.
    #[error("tried {} backends", .backends.len())]
    Several {
        /// The errors, in the order in which the backends were tried.
        backends: Vec<(BackendName, DispatchError)>,
        /// The index of the error that the caller receives.
        decisive: usize,
    },
    /// No backend that runs jobs is configured.
    #[error("no backend that runs jobs is configured")]
    NoBackend,
}

impl DispatchError {
    /// Returns whether the job was certainly not taken, so that it can be tried elsewhere.
    pub(super) fn was_refused(&self) -> bool {
        match self {
            Self::Submit(SubmitError::Full | SubmitError::NoWorkers | SubmitError::Unavailable) => {
                true
            }
            Self::Overloaded => true,
            Self::Fallback(fault) => fault.acceptance == Acceptance::CertainlyNot,
            _ => false,
        }
    }

    /// Builds the error of a job that no backend took.
    pub(super) fn all_refused(mut refusals: Vec<(BackendName, Self)>) -> Self {
        match refusals.len() {
            0 | 1 => refusals
                .pop()
                .map_or(Self::NoBackend, |(_, refusal)| refusal),
            _ => Self::Several {
                backends: refusals,
                decisive: 0,
            },
        }
    }

    /// Builds the error of a backend that failed with a job which others had refused before.
    pub(super) fn after(
        mut refusals: Vec<(BackendName, Self)>,
        backend: BackendName,
        error: Self,
    ) -> Self {
        if refusals.is_empty() {
            return error;
        }
        let decisive = refusals.len();
        refusals.push((backend, error));
        Self::Several {
            backends: refusals,
            decisive,
        }
    }

    /// Returns whether a result may still come.
    pub(crate) fn is_pending(&self) -> bool {
        match self {
            Self::Lost(_) | Self::TimedOut | Self::Submit(SubmitError::Unconfirmed) => true,
            Self::Several { backends, decisive } => backends
                .get(*decisive)
                .is_some_and(|(_, told)| told.is_pending()),
            _ => false,
        }
    }

    /// Returns whether the job was taken, as far as that is known.
    pub(crate) fn acceptance(&self) -> Acceptance {
        if self.is_pending() || self.failure().is_some() {
            Acceptance::Perhaps
        } else {
            Acceptance::CertainlyNot
        }
    }

    /// Returns how the job failed, if it may have been run and no result will come.
    pub(crate) fn failure(&self) -> Option<JobFailure> {
        match self {
            Self::Fallback(fault) if fault.acceptance == Acceptance::Perhaps => Some(JobFailure {
                code: FailureCode::SandboxUnavailable,
                message: fault.message.clone(),
            }),
            Self::Several { backends, decisive } => backends.get(*decisive)?.1.failure(),
            _ => None,
        }
    }

    /// Builds the answer to the caller of that job. `room_in` returns when other jobs will have
    /// made room; it is called only if they are in the way.
    pub(crate) fn into_problem(self, job_id: JobId, room_in: impl FnOnce() -> Duration) -> Problem {
        let mut room_in = Some(room_in);
        self.problem(job_id, &mut || {
            room_in.take().map_or(RETRY_LATER, |ask| ask())
        })
    }

    fn problem(self, job_id: JobId, room_in: &mut dyn FnMut() -> Duration) -> Problem {
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
            Self::Overloaded => retry("overloaded", OVERLOADED, room_in()),
            Self::Fallback(fault) => retry(fault.code, fault.message, RETRY_LATER),
            Self::Several { backends, decisive } => {
                return several(backends, decisive, job_id, room_in);
            }
            Self::NoBackend => retry(
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

/// Builds the decisive error, with the errors of all backends in its details.
fn several(
    backends: Vec<(BackendName, DispatchError)>,
    decisive: usize,
    job_id: JobId,
    room_in: &mut dyn FnMut() -> Duration,
) -> Problem {
    let mut answer = None;
    let mut said = Vec::with_capacity(backends.len());
    for (index, (backend, error)) in backends.into_iter().enumerate() {
        let problem = if index == decisive {
            error.problem(job_id, room_in)
        } else {
            error.problem(job_id, &mut || RETRY_LATER)
        };
        said.push(
            json!({ "way": backend.as_str(), "code": problem.code, "message": problem.message }),
        );
        if index == decisive {
            answer = Some(problem);
        }
    }
    let Some(mut problem) = answer else {
        return DispatchError::NoBackend.problem(job_id, room_in);
    };
    if problem.details.is_null() {
        problem.details = json!({});
    }
    problem.details["ways"] = said.into();
    problem
}

/// Builds the answer for a job that a worker could not run.
pub(crate) fn failure_problem(job_id: JobId, failure: &JobFailure) -> Problem {
    let message = failure.message.clone();
    let problem = match failure.code {
        FailureCode::SandboxUnavailable => retry("sandbox_unavailable", message, RETRY_LATER),
        FailureCode::UnsupportedJob => retry("unsupported_job", message, RETRY_LATER),
        FailureCode::DeadlinePassed => Problem::new(504, "timed_out", message),
        // Cancelled by somebody else: a caller who has left gets no answer.
        FailureCode::Cancelled => Problem::new(409, "cancelled", message),
        // A client must not retry it automatically: the job may well be the cause.
        FailureCode::WorkerCrashed => Problem::new(500, "worker_crashed", message),
    };
    problem.with_details(details(job_id, true))
}

fn retry(code: &'static str, message: impl Into<String>, after: Duration) -> Problem {
    Problem::new(503, code, message).retry_after(after)
}

/// Builds the details, with `resultUrl` only if there is, or may come, a result.
fn details(job_id: JobId, has_result: bool) -> Value {
    if has_result {
        json!({ "jobId": job_id, "resultUrl": format!("/api/executions/{job_id}") })
    } else {
        json!({ "jobId": job_id })
    }
}
