//! Jobs that nobody waits for: queued to be kept, and put on record so that they are found at once.

use std::time::Duration;

use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;
use warren_http::{Budget, MAX_WAIT};
use warren_protocol::contract::Problem;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::time::Deadline;

use crate::execution::dispatch::DispatchError;
use crate::execution::intake::Order;
use crate::state::AppState;
use crate::store::{End, Execution};

/// How long the answer waits for the job to be on record. It is recorded in any case.
const ON_RECORD: Duration = Duration::from_millis(40);
/// When to try again if too many wait.
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

/// The job that an order comes to if nobody waits. It may wait for long, and once it is begun has as
/// much time as any, whatever callers' wait is set to.
pub(crate) fn job(state: &AppState, order: Order, headers: &HeaderMap) -> Job {
    let mut job = order.into_job(headers, Deadline::after(state.async_max_wait));
    job.budget = Some(Budget::start(MAX_WAIT).job_deadline().remaining());
    job
}

/// Why a job was not taken.
pub(crate) struct NotTaken {
    /// What its caller is told.
    pub(crate) problem: Problem,
    /// Whether it will certainly not be run.
    pub(crate) is_certain: bool,
}

/// Queues the job. Nothing but the queue's room decides: it need not be done soon.
pub(crate) async fn submit(state: &AppState, job: &Job) -> Result<Ticket, NotTaken> {
    let submitted = state.queue.submit_unattended(job).await;
    if let Err(error) = submitted.map_err(DispatchError::from) {
        tracing::warn!(job.id = %job.id, error = &error as &dyn std::error::Error, "job not queued");
        let is_certain = !error.is_pending();
        if !is_certain {
            record(state, job).await;
        }
        let problem = error.into_problem(job.id, || ROOM_IN);
        return Err(NotTaken {
            problem,
            is_certain,
        });
    }
    record(state, job).await;
    Ok(Ticket::of(job.id))
}

/// After it was queued: what is refused leaves no trace.
async fn record(state: &AppState, job: &Job) {
    let pending = Execution::of(job, End::Pending);
    state.recorder.record(pending).within(ON_RECORD).await;
}
