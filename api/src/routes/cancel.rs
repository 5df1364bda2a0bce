//! `DELETE /api/executions/{id}`: cancels a job that waits or runs.
//!
//! The cancellation is recorded first, so that it stands whatever a worker reports later. Then the
//! workers are notified.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde_json::json;
use warren_http::ApiError;
use warren_protocol::contract::Problem;
use warren_protocol::event::{Happened, JobEvent};
use warren_protocol::reply::{FailureCode, JobFailure, Progress};
use warren_protocol::time::{Deadline, EpochMillis};

use warren_protocol::ids::JobId;

use crate::access::auth::Rooms;
use crate::description::{ErrorAnswer, ExecutionErrors};
use crate::history::view::{ExecutionResponse, Seen, Stage};
use crate::routes::executions::job_id;
use crate::state::AppState;
use crate::store::{End, Execution};

/// How long a job without a recorded deadline may wait: longer than any caller waits.
const UNKNOWN_WAIT: Duration = Duration::from_secs(60);

/// Cancels a job that waits or runs
///
/// It is recorded as `failed` with the error code `cancelled`; a container that runs is ended within
/// moments of that. Cancelled before: the same again.
#[utoipa::path(
    delete,
    path = "/api/executions/{id}",
    tag = "run",
    operation_id = "cancelExecution",
    params(("id" = JobId, Path, description = "The `jobId` of an answer.")),
    responses(
        (status = 200, description = "The execution, cancelled.", body = ExecutionResponse),
        (status = 400, description = "`invalid_job_id`: not a UUID in its hyphenated form.", body = ErrorAnswer),
        (status = 409, description = "`already_finished`: it has ended otherwise.", body = ErrorAnswer),
        ExecutionErrors<false>,
    )
)]
pub(crate) async fn delete(
    State(state): State<Arc<AppState>>,
    rooms: Rooms,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ExecutionResponse>, ApiError> {
    let seen = state.history.see(&rooms, job_id(id)?).await?;
    if is_cancelled(&seen) {
        return Ok(Json(seen.into()));
    }
    let progress = match seen.stage() {
        Stage::Finished => return Err(finished(&seen)),
        Stage::Running => Progress::Running,
        Stage::Queued => Progress::NotBegun,
    };
    // In a task of its own, so that a caller who hangs up now does not interrupt it.
    let cancelling = tokio::spawn(cancel(state, rooms, seen.execution, progress));
    let seen = cancelling.await.map_err(|_panicked| unfinished())??;
    Ok(Json(seen.into()))
}

async fn cancel(
    state: Arc<AppState>,
    rooms: Rooms,
    execution: Execution,
    progress: Progress,
) -> Result<Seen, ApiError> {
    let job = execution.job_id;
    let due = execution.origin.as_ref().and_then(|origin| origin.due_at);
    let cancelled = Execution {
        end: End::Failed(JobFailure::cancelled(progress)),
        recorded_at: EpochMillis::now(),
        ..execution
    };
    if let Err(error) = state.store.record(&cancelled).await {
        return Err(state.history.unavailable(&error).into());
    }
    // A result that was recorded in the meantime stands.
    let seen = state.history.see(&rooms, job).await?;
    if !is_cancelled(&seen) {
        return Err(finished(&seen));
    }
    let left = due.map_or(UNKNOWN_WAIT, |due| due.since(EpochMillis::now()));
    let deadline = Deadline::after(left.max(UNKNOWN_WAIT));
    state.watch.withdrawn(job, deadline);
    state.queue.withdraw(job, deadline).await;
    let event = JobEvent::now(job, Happened::Finished);
    state.queue.publish_event(&event).await;
    tracing::info!(job.id = %job, "cancelled by request");
    Ok(seen)
}

fn is_cancelled(seen: &Seen) -> bool {
    matches!(&seen.execution.end, End::Failed(failure) if failure.code == FailureCode::Cancelled)
}

fn finished(seen: &Seen) -> ApiError {
    let job = seen.execution.job_id;
    let problem = Problem::new(
        409,
        "already_finished",
        "The execution has ended already, so there is nothing to cancel. Its result is at details.resultUrl.",
    );
    let details = json!({ "jobId": job, "resultUrl": format!("/api/executions/{job}") });
    problem.with_details(details).into()
}

fn unfinished() -> ApiError {
    let message = "The execution could not be cancelled because of a fault in Warren. Please report it with the log.";
    Problem::new(500, "internal_error", message).into()
}
