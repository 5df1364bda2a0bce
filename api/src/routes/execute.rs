//! `POST /api/rooms/{roomId}/execute`: from a request to its answer, within the caller's wait.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use warren_shared::contract::{ExecuteRequest, ExecuteResponse, Problem, Refusal};
use warren_shared::ids::{JobId, RoomId};
use warren_shared::job::Job;
use warren_shared::limits::Limits;
use warren_shared::reply::JobFailure;
use warren_shared::submission::Submission;

use crate::admission::{Admitted, Refused};
use crate::description::{BadRequest, NoRoom, OurFault};
use crate::dispatch::{DispatchError, failure_problem};
use crate::state::AppState;
use crate::store::{End, Execution};
use crate::trace_context::traceparent;
use warren_http::{ApiError, Budget, body};

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
    let in_flight = state.in_flight.try_acquire();
    let refused = match &in_flight {
        Ok(_permit) => state.admission.check(budget.left()).err(),
        Err(_full) => Some(state.admission.refuse()),
    };
    if let Some(refused) = refused {
        body::discard(&parts.headers, body, budget.body_by()).await;
        return Ok(overloaded(refused));
    }
    // The body first, whatever else is wrong: a sender who is cut off sees no answer.
    let body = body::read_json(&parts.headers, body, budget.body_by()).await?;
    // A path that is not UTF-8 is no room either.
    let room = room.map_or_else(|_rejected| String::new(), |Path(room)| room);
    let room: RoomId = room.parse().map_err(Refusal::InvalidRoom)?;
    let request = ExecuteRequest::from_json(&body)?;
    drop(body);
    let submission = Submission::parse(request, &state.languages, state.policy)?;

    // Asked once more, with the job at hand: many may have come in together.
    let admitted = match state.admission.admit(budget.left()) {
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
