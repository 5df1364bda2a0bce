//! `POST /api/rooms/{roomId}/execute`: from a request to its answer, within the caller's wait.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout_at;
use warren_shared::contract::{ExecuteRequest, ExecuteResponse, Problem, Refusal};
use warren_shared::ids::RoomId;
use warren_shared::job::Job;
use warren_shared::limits::Limits;
use warren_shared::queue::SubmitError;
use warren_shared::reply::JobFailure;
use warren_shared::submission::Submission;

use crate::admission::{Admitted, Refused};
use crate::dispatch::{DispatchError, failure_problem};
use crate::state::AppState;
use crate::store::{End, Execution};
use crate::trace_context::traceparent;
use warren_http::{ApiError, Budget, body};

/// The job's id, on every answer to a request that became a job.
pub(crate) const JOB_ID_HEADER: HeaderName = HeaderName::from_static("x-job-id");

pub(crate) async fn post(
    State(state): State<Arc<AppState>>,
    room: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let budget = Budget::start(state.wait);
    let (parts, body) = request.into_parts();
    // A path that is not UTF-8 is no room either.
    let room = room.map_or_else(|_rejected| String::new(), |Path(room)| room);
    let in_flight = state.in_flight.enter(&room);
    let refused = match &in_flight {
        Some(_place) => state.admission.check(&room, budget.left()).err(),
        None => Some(state.admission.refuse()),
    };
    if let Some(refused) = refused {
        body::discard(&parts.headers, body, budget.body_by()).await;
        return Ok(overloaded(refused));
    }
    // The body first, whatever else is wrong: a sender who is cut off sees no answer.
    let body = body::read_json(&parts.headers, body, budget.body_by()).await?;
    let room: RoomId = room.parse().map_err(Refusal::InvalidRoom)?;
    let request = ExecuteRequest::from_json(&body)?;
    drop(body);
    let submission = Submission::parse(request, &state.languages, state.policy)?;

    // Asked once more, with the job at hand: many may have come in together.
    let admitted = match state.admission.admit(&room, budget.left()) {
        Ok(admitted) => admitted,
        Err(refused) => return Ok(overloaded(refused)),
    };

    let mut job = Job::new(room, submission, Limits::default(), budget.job_deadline());
    job.traceparent = traceparent(&parts.headers);
    tracing::Span::current().record("job.id", tracing::field::display(job.id));
    let mut response = match run(&state, &job, budget, admitted).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => error.into_response(),
    };
    if let Ok(id) = HeaderValue::try_from(job.id.to_string()) {
        response.headers_mut().insert(JOB_ID_HEADER, id);
    }
    Ok(response)
}

/// Has the job run and records what became of it.
async fn run(
    state: &AppState,
    job: &Job,
    budget: Budget,
    mut admitted: Admitted,
) -> Result<Box<ExecuteResponse>, ApiError> {
    let turn = timeout_at(budget.answer_by(), admitted.turn());
    if turn.await.is_err() {
        let too_late = SubmitError::DeadlinePassed.into();
        return Err(unanswered(state, job, too_late));
    }
    let reply = state.dispatch.run(job, budget, &state.recorder).await;
    match reply.map(|reply| reply.result) {
        Ok(Ok(outcome)) => {
            admitted.served(outcome.timings.sandbox + outcome.timings.run);
            let answer = Box::new(ExecuteResponse::new(job.id, &job.submission, outcome));
            record(state, job, End::Ran(answer.clone()));
            Ok(answer)
        }
        Ok(Err(failure)) => Err(failed(state, job, failure)),
        Err(error) => Err(unanswered(state, job, error)),
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
    state.recorder.record(Execution::of(job, end));
}

/// The connection ends with the answer: who is to come again later need not keep one from others
/// meanwhile.
fn overloaded(refused: Refused) -> Response {
    let problem = Problem::new(
        503,
        "overloaded",
        "There are more jobs than can be done in time. Send the request again after the seconds that Retry-After says; if you operate this service, add workers.",
    );
    let answer = ApiError::from(problem.retry_after(refused.retry_after));
    let mut response = answer.into_response();
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}
