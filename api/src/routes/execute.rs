//! `POST /api/rooms/{roomId}/execute`: from a request to its answer: with the result, within the
//! caller's wait, or at once if the caller prefers that.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use warren_http::{ApiError, Budget, body};
use warren_shared::contract::ExecuteResponse;
use warren_shared::ids::JobId;
use warren_shared::job::Job;
use warren_shared::reply::JobFailure;

use crate::admission::Admitted;
use crate::dispatch::{DispatchError, failure_problem};
use crate::follow::Follower;
use crate::intake::{Order, order, receive};
use crate::preference::Preference;
use crate::routes::overloaded::overloaded;
use crate::state::AppState;
use crate::store::{End, Execution};
use crate::unattended::{self, Ticket};

/// The job's id, on every answer to a request that became a job.
pub(crate) const JOB_ID_HEADER: HeaderName = HeaderName::from_static("x-job-id");
/// When to come again for whom there is no place, who would not have waited.
const PLACE_IN: Duration = Duration::from_secs(1);

type Room = Result<Path<String>, PathRejection>;

pub(crate) async fn post(
    State(state): State<Arc<AppState>>,
    room: Room,
    request: Request,
) -> Result<Response, ApiError> {
    let budget = Budget::start(state.wait);
    let (parts, body) = request.into_parts();
    let preference = Preference::of(&parts.headers);
    let answer = match preference {
        Preference::None => attended(&state, room, &parts, body, budget).await?,
        Preference::Within(wait) => {
            let budget = budget.with_patience(wait);
            attended(&state, room, &parts, body, budget).await?
        }
        Preference::Async => unattended(&state, room, &parts, body, budget).await?,
        Preference::AsyncAfter(wait) => {
            let budget = budget.with_patience(wait);
            let answer = unattended(&state, room, &parts, body, budget).await?;
            result_within(&state, answer, budget.answer_by()).await
        }
    };
    Ok(preference.applied_to(answer.into_response()))
}

/// The answer to a caller who waits.
async fn attended(
    state: &AppState,
    room: Room,
    parts: &Parts,
    body: Body,
    budget: Budget,
) -> Result<Answer, ApiError> {
    let in_flight = state.in_flight.try_acquire();
    let refused = match &in_flight {
        Ok(_permit) => state.admission.check(budget.job_left()).err(),
        Err(_full) => Some(state.admission.refuse()),
    };
    if let Some(refused) = refused {
        body::discard(&parts.headers, body, budget.body_by()).await;
        return Ok(Answer::Other(overloaded(refused.retry_after)));
    }
    let received = receive(room, &parts.headers, body, budget.body_by()).await?;
    let order = order(state, received)?;
    let answer = result_of(state, order, &parts.headers, budget).await;
    Ok(Answer::Other(answer))
}

/// The answer with the result.
async fn result_of(
    state: &AppState,
    order: Order,
    headers: &HeaderMap,
    budget: Budget,
) -> Response {
    // Asked once more, with the job at hand: many may have come in together.
    let admitted = match state.admission.admit(budget.job_left()) {
        Ok(admitted) => admitted,
        Err(refused) => return overloaded(refused.retry_after),
    };
    let job = order.into_job(headers, budget.job_deadline());
    tracing::Span::current().record("job.id", tracing::field::display(job.id));
    let answer = match run(state, &job, budget, admitted).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => error.into_response(),
    };
    naming(job.id, answer)
}

/// An answer, of which more can be made if it only says that the job was taken.
enum Answer {
    Taken(Ticket),
    Other(Response),
}

/// The answer to a caller who does not wait.
async fn unattended(
    state: &AppState,
    room: Room,
    parts: &Parts,
    body: Body,
    budget: Budget,
) -> Result<Answer, ApiError> {
    let Ok(_place) = state.places.unattended.try_acquire() else {
        body::discard(&parts.headers, body, budget.body_by()).await;
        return Ok(Answer::Other(overloaded(PLACE_IN)));
    };
    let received = receive(room, &parts.headers, body, budget.body_by()).await?;
    let order = order(state, received)?;
    let job = unattended::job(state, order, &parts.headers);
    tracing::Span::current().record("job.id", tracing::field::display(job.id));
    Ok(match unattended::submit(state, &job).await {
        Ok(ticket) => Answer::Taken(ticket),
        Err(problem) => Answer::Other(naming(job.id, ApiError::from(problem).into_response())),
    })
}

/// The result of a job that was taken if it is there by then, else the answer as it is.
async fn result_within(state: &Arc<AppState>, answer: Answer, by: Instant) -> Answer {
    let Answer::Taken(ticket) = answer else {
        return answer;
    };
    // With no place to wait in, it is as if the time had been over.
    let Ok(mut follower) = Follower::of(state, ticket.job_id) else {
        return Answer::Taken(ticket);
    };
    let answer = match follower.end(by).await.map(|seen| seen.execution.end) {
        Ok(End::Ran(result)) => Json(result).into_response(),
        Ok(End::Failed(failure)) => {
            ApiError::from(failure_problem(ticket.job_id, &failure)).into_response()
        }
        Ok(End::Pending) | Err(_) => return Answer::Taken(ticket),
    };
    Answer::Other(naming(ticket.job_id, answer))
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Other(answer) => answer,
            Self::Taken(ticket) => {
                let (job, url) = (ticket.job_id, ticket.result_url.clone());
                let taken = (StatusCode::ACCEPTED, [(LOCATION, url)], Json(ticket));
                naming(job, taken.into_response())
            }
        }
    }
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
