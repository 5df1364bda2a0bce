//! `POST /api/rooms/{roomId}/execute`: from a request to its answer, within the caller's wait.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use warren_http::{ApiError, Budget, body};
use warren_shared::contract::ExecuteResponse;
use warren_shared::ids::JobId;
use warren_shared::job::Job;
use warren_shared::reply::JobFailure;

use crate::admission::Admitted;
use crate::caller::Caller;
use crate::dispatch::{DispatchError, failure_problem};
use crate::idempotency::{self, Held, Keyed, Turn};
use crate::intake::{order, receive};
use crate::routes::overloaded::overloaded;
use crate::state::AppState;
use crate::store::{End, Execution};

/// The job's id, on every answer to a request that became a job.
pub(crate) const JOB_ID_HEADER: HeaderName = HeaderName::from_static("x-job-id");

pub(crate) async fn post(
    State(state): State<Arc<AppState>>,
    room: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let budget = Budget::start(state.wait);
    let (mut parts, body) = request.into_parts();
    let Ok(caller) = Caller::from_request_parts(&mut parts, &()).await;
    let in_flight = state.in_flight.try_acquire();
    let refused = match &in_flight {
        Ok(_permit) => state.admission.check(budget.left()).err(),
        Err(_full) => Some(state.admission.refuse()),
    };
    if let Some(refused) = refused {
        body::discard(&parts.headers, body, budget.body_by()).await;
        return Ok(overloaded(refused));
    }
    let received = receive(room, &parts.headers, body, budget.body_by()).await?;
    let keyed = Keyed::of(&parts.headers, &caller, &received.room, &received.body)?;
    let order = order(&state, received)?;
    let job = order.into_job(&parts.headers, budget.job_deadline());
    match idempotency::begin(&state, keyed, &job, budget.answer_by()).await? {
        Turn::First(held) => Ok(attended(&state, job, held, budget).await),
        Turn::Again(earlier) => {
            let answer = idempotency::replay(&state, earlier, budget.answer_by()).await;
            Ok(naming(earlier, answer))
        }
    }
}

/// The answer to a caller who waits.
async fn attended(state: &AppState, job: Job, held: Held, budget: Budget) -> Response {
    // Asked once more, with the job at hand: many may have come in together.
    let admitted = match state.admission.admit(budget.left()) {
        Ok(admitted) => admitted,
        Err(refused) => {
            held.release().await;
            return overloaded(refused);
        }
    };
    tracing::Span::current().record("job.id", tracing::field::display(job.id));
    let answer = match run(state, &job, held, budget, admitted).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => error.into_response(),
    };
    naming(job.id, answer)
}

/// The answer with the job's id on it.
fn naming(id: JobId, mut answer: Response) -> Response {
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        answer.headers_mut().insert(JOB_ID_HEADER, id);
    }
    answer
}

/// Has the job run and records what became of it.
async fn run(
    state: &AppState,
    job: &Job,
    held: Held,
    budget: Budget,
    admitted: Admitted,
) -> Result<Box<ExecuteResponse>, ApiError> {
    let reply = state.dispatch.run(job, budget, &state.recorder).await;
    match reply.map(|reply| reply.result) {
        Ok(Ok(outcome)) => {
            admitted.served(outcome.timings.sandbox + outcome.timings.run);
            let answer = Box::new(ExecuteResponse::new(job.id, &job.submission, outcome));
            record(state, job, End::Ran(answer.clone()));
            Ok(answer)
        }
        Ok(Err(failure)) => Err(failed(state, job, failure)),
        Err(error) => {
            if !error.is_pending() {
                held.release().await;
            }
            Err(unanswered(state, job, error))
        }
    }
}

fn failed(state: &AppState, job: &Job, failure: JobFailure) -> ApiError {
    tracing::warn!(code = ?failure.code, reason = %failure, "a worker could not run the job");
    let problem = failure_problem(job.id, &failure);
    record(state, job, End::Failed(failure));
    problem.into()
}

fn unanswered(state: &AppState, job: &Job, error: DispatchError) -> ApiError {
    tracing::warn!(error = &error as &dyn std::error::Error, "job unanswered");
    if error.is_pending() {
        record(state, job, End::Pending);
    }
    let room_in = || state.admission.refuse().retry_after;
    error.into_problem(job.id, room_in).into()
}

fn record(state: &AppState, job: &Job, end: End) {
    let _written = state.recorder.record(Execution::of(job, end));
}
