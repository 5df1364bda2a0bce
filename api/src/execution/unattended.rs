//! Jobs without a waiting caller: queued durably, and recorded to be found at once.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;
use warren_http::{Budget, MAX_WAIT};
use warren_protocol::contract::Problem;
use warren_protocol::ids::{CallerTag, JobId};
use warren_protocol::job::Job;
use warren_protocol::time::Deadline;
use warren_queue::ApiQueue;

use super::Acceptance;
use super::dispatch::DispatchError;
use super::intake::ValidatedRequest;
use super::open_jobs::OpenJobs;
use crate::history::Recorder;
use crate::store::{End, Execution};

/// How long the answer waits for the job to be recorded. It is recorded in any case.
const ON_RECORD: Duration = Duration::from_millis(40);
/// `Retry-After` while too many jobs wait.
pub(crate) const ROOM_IN: Duration = Duration::from_secs(5);

/// What a caller is told of a job that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ticket {
    pub(crate) job_id: JobId,
    #[schema(value_type = String, examples("pending"))]
    status: &'static str,
    /// Where its result will be.
    pub(crate) result_url: String,
    /// Where to hear what happens to it.
    events_url: String,
}

impl Ticket {
    pub(crate) fn of(job_id: JobId) -> Self {
        Self {
            job_id,
            status: End::Pending.status(),
            result_url: format!("/api/executions/{job_id}"),
            events_url: format!("/api/executions/{job_id}/events"),
        }
    }
}

/// A refusal of a job.
pub(crate) struct NotTaken {
    /// The answer to its caller.
    pub(crate) problem: Problem,
    /// Whether the job may run all the same.
    pub(crate) acceptance: Acceptance,
}

/// Everything that queues a job whose caller does not wait.
pub(crate) struct UnattendedJobs {
    /// The queue that such jobs go into.
    pub(crate) queue: Arc<dyn ApiQueue>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) open: Arc<OpenJobs>,
    /// The longest that such a job waits in the queue.
    pub(crate) max_wait: Duration,
}

impl UnattendedJobs {
    /// Builds the job of a request. It may wait for a long time. Once it has begun it has as much
    /// time as any other, whatever the callers' wait is set to.
    pub(crate) fn job(
        &self,
        caller: CallerTag,
        request: ValidatedRequest,
        headers: &HeaderMap,
    ) -> Job {
        let mut job = request.into_job(caller, headers, Deadline::after(self.max_wait));
        job.budget = Some(Budget::start(MAX_WAIT).job_deadline().remaining());
        job
    }

    /// Queues the job. Only its caller's share of the queue, and the queue's own bound, can refuse
    /// it, because the job need not be done soon.
    pub(crate) async fn submit(&self, job: &mut Job) -> Result<Ticket, NotTaken> {
        match self.open.open(job) {
            Ok(standing) => job.standing = standing,
            Err(too_many) => {
                return Err(NotTaken {
                    problem: too_many.into(),
                    acceptance: Acceptance::CertainlyNot,
                });
            }
        }
        let submitted = self.queue.submit_unattended(job).await;
        if let Err(error) = submitted.map_err(DispatchError::from) {
            tracing::warn!(job.id = %job.id, error = &error as &dyn std::error::Error, "cannot queue the job");
            let acceptance = error.acceptance();
            match acceptance {
                Acceptance::Perhaps => self.record(job).await,
                Acceptance::Taken | Acceptance::CertainlyNot => self.open.ended(job.id),
            }
            let problem = error.into_problem(job.id, || ROOM_IN);
            return Err(NotTaken {
                problem,
                acceptance,
            });
        }
        self.record(job).await;
        Ok(Ticket::of(job.id))
    }

    /// Records the job as pending. Called after it was queued, so that a refused job leaves no
    /// trace.
    async fn record(&self, job: &Job) {
        let pending = Execution::of(job, End::Pending);
        self.recorder.record(pending).within(ON_RECORD).await;
    }
}
