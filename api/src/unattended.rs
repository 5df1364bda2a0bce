//! Jobs that nobody waits for: queued to be kept, and put on record so that they are found at once.

use std::time::Duration;

use axum::http::HeaderMap;
use serde::Serialize;
use tokio::time::timeout;
use warren_http::{Budget, MAX_WAIT};
use warren_shared::contract::Problem;
use warren_shared::ids::JobId;
use warren_shared::job::Job;
use warren_shared::time::Deadline;

use crate::dispatch::DispatchError;
use crate::intake::Order;
use crate::state::AppState;
use crate::store::{End, Execution};

/// How long the answer waits for the job to be on record. It is recorded in any case.
const ON_RECORD: Duration = Duration::from_millis(40);
/// When to try again if too many wait.
pub(crate) const ROOM_IN: Duration = Duration::from_secs(5);

/// What a caller is told of a job that was taken.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ticket {
    pub(crate) job_id: JobId,
    status: &'static str,
    /// Where its result will be.
    pub(crate) result_url: String,
    /// Where to hear what happens to it.
    events_url: String,
}

impl Ticket {
    fn of(job_id: JobId) -> Self {
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

/// Queues the job. Nothing but the queue's room decides: it need not be done soon.
pub(crate) async fn submit(state: &AppState, job: &Job) -> Result<Ticket, Problem> {
    let submitted = state.queue.submit_unattended(job).await;
    if let Err(error) = submitted.map_err(DispatchError::from) {
        tracing::warn!(job.id = %job.id, error = &error as &dyn std::error::Error, "job not queued");
        if error.is_pending() {
            record(state, job).await;
        }
        return Err(error.into_problem(job.id, || ROOM_IN));
    }
    record(state, job).await;
    Ok(Ticket::of(job.id))
}

/// After it was queued: what is refused leaves no trace.
async fn record(state: &AppState, job: &Job) {
    let pending = Execution::of(job, End::Pending);
    let recorded = timeout(ON_RECORD, state.store.record(&pending)).await;
    if !matches!(recorded, Ok(Ok(()))) {
        state.recorder.record(pending);
    }
}
