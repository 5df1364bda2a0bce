//! `POST /api/rooms/{roomId}/execute`: from a request to its answer, within the caller's wait.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use warren_http::{ApiError, Budget, body};
use warren_shared::contract::{ExecuteRequest, ExecuteResponse};
use warren_shared::ids::{JobId, RoomId};
use warren_shared::job::Job;
use warren_shared::reply::JobFailure;

use crate::admission::Admitted;
use crate::description::{BadRequest, NoRoom, OurFault};
use crate::dispatch::{Answered, DispatchError, WayName, failure_problem};
use crate::intake::{Order, order, receive};
use crate::routes::overloaded::overloaded;
use crate::state::AppState;
use crate::store::{End, Execution};

/// The job's id, on every answer to a request that became a job.
pub(crate) const JOB_ID_HEADER: HeaderName = HeaderName::from_static("x-job-id");

/// Has code run, and answers with what it did
///
/// Without `testCases` there is one run, on `input`. With them there is one run a case (and one on
/// `input` if that was given too), each in a fresh process.
#[utoipa::path(
    post,
    path = "/api/rooms/{roomId}/execute",
    tag = "run",
    operation_id = "execute",
    params(("roomId" = RoomId, Path, description = "The room that the submission belongs to: 1 to 128 letters, digits, `-`, `_`, `.` or `:`, starting with a letter or digit.")),
    request_body(content = ExecuteRequest, examples(
        ("input" = (summary = "One run on an input", value = json!({"language": "python", "code": "print(int(input()) * 2)", "input": "21"}))),
        ("testCases" = (summary = "Test cases, of which the second fails", value = json!({
            "language": "javascript", "code": "process.stdin.on('data', (text) => console.log(text * 2));",
            "testCases": [{"input": "1", "expectedOutput": "2"}, {"input": "2", "expectedOutput": "5"}],
        }))),
        ("float" = (summary = "Numbers that may be a little off", value = json!({
            "language": "python", "code": "print(2 ** 0.5)", "compare": "float", "tolerance": 1e-4, "stopOnFailure": true,
            "testCases": [{"expectedOutput": "1.4142"}],
        }))),
    )),
    responses(
        (status = 200, description = "The code was run, however that went.", body = ExecuteResponse, headers(
            ("X-Job-Id" = JobId, description = "The job's id; also on the errors of requests that became a job."),
        ), links(
            ("result" = (operation_id = "getExecution", parameters(("id" = "$response.body#/jobId")))),
        )),
        BadRequest, NoRoom, OurFault,
    )
)]
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
        Some(_place) if state.dispatch.takes_overflow() => None,
        Some(_place) => state.admission.check(&room, budget.left()).err(),
        None => Some(state.admission.refuse()),
    };
    if let Some(refused) = refused {
        body::discard(&parts.headers, body, budget.body_by()).await;
        return Ok(overloaded(refused));
    }
    let received = receive(room, &parts.headers, body, budget.body_by()).await?;
    let order = order(&state, received)?;
    Ok(attended(&state, order, &parts.headers, budget).await)
}

/// The answer to a caller who waits.
async fn attended(state: &AppState, order: Order, headers: &HeaderMap, budget: Budget) -> Response {
    // Asked once more, with the job at hand: many may have come in together.
    let admitted = match state.admission.admit(budget.left()) {
        Ok(admitted) => Some(admitted),
        Err(_refused) if state.dispatch.takes_overflow() => None,
        Err(refused) => return overloaded(refused),
    };
    let job = order.into_job(headers, budget.job_deadline());
    tracing::Span::current().record("job.id", tracing::field::display(job.id));
    let answer = match run(state, &job, budget, admitted).await {
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

/// Has the job run and records what became of it. One that was not admitted is not for the queue.
async fn run(
    state: &AppState,
    job: &Job,
    budget: Budget,
    admitted: Option<Admitted>,
) -> Result<Box<ExecuteResponse>, ApiError> {
    let (dispatch, recorder) = (&state.dispatch, &state.recorder);
    let answered = match &admitted {
        Some(_) => dispatch.run(job, budget, recorder).await,
        None => dispatch.overflow(job, budget, recorder).await,
    };
    match answered.map(|Answered { reply, way }| (reply.result, way)) {
        Ok((Ok(outcome), way)) => {
            // What others ran says nothing of how fast the workers are.
            if let Some(admitted) = admitted.filter(|_| way == WayName::Queue) {
                admitted.served(outcome.timings.sandbox + outcome.timings.run);
            }
            let answer = Box::new(ExecuteResponse::new(job.id, &job.submission, outcome));
            record(state, job, End::Ran(answer.clone()));
            Ok(answer)
        }
        Ok((Err(failure), _way)) => Err(failed(state, job, failure)),
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
    if let Some(failure) = error.failure() {
        record(state, job, End::Failed(failure));
    }
    let room_in = || state.admission.refuse().retry_after;
    error.into_problem(job.id, room_in).into()
}

fn record(state: &AppState, job: &Job, end: End) {
    state.recorder.record(Execution::of(job, end));
}
