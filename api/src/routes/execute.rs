//! `POST /api/rooms/{roomId}/execute`: runs a submission and answers with the result.
//!
//! The answer comes within the caller's wait, or at once if the caller prefers not to wait.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use tokio::time::Instant;
use warren_http::{ApiError, Around, Budget, Peer, body, json_answer};
use warren_protocol::contract::{ExecuteRequest, ExecuteResponse};
use warren_protocol::ids::{CallerTag, JobId, RoomId};

use crate::access::auth::Rooms;
use crate::access::caller::{Caller, counted_as};
use crate::description::{BadRequest, ErrorAnswer, NoRoom, OurFault};
use crate::execution::Acceptance;
use crate::execution::dispatch::failure_problem;
use crate::execution::idempotency::{FirstOrReplay, HeldKey, Keyed, replayed};
use crate::execution::intake::{ValidatedRequest, receive, room_name};
use crate::execution::overloaded::overloaded;
use crate::execution::preference::Preference;
use crate::execution::unattended::Ticket;
use crate::history::follow::Follower;
use crate::state::AppState;
use crate::store::End;

/// The job's id, on every answer to a request that became a job.
pub(crate) const JOB_ID_HEADER: HeaderName = HeaderName::from_static("x-job-id");
/// `Retry-After` for an asynchronous request that found no free permit.
const PERMIT_IN: Duration = Duration::from_secs(1);

/// Has code run, and answers with what it did
///
/// Without `testCases` there is one run, on `input`. With them there is one run a case (and one on
/// `input` if that was given too), each in a fresh process; a worker may be set to give each a sandbox of
/// its own, and to run them at the same time.
#[utoipa::path(
    post,
    path = "/api/rooms/{roomId}/execute",
    tag = "run",
    operation_id = "execute",
    params(
        ("roomId" = RoomId, Path, description = "The room that the submission belongs to: 1 to 128 letters, digits, `-`, `_`, `.` or `:`, starting with a letter or digit."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: the result within N seconds, else 504. `respond-async`: 202 at once, and the result later; with `wait=N`, if it is not there within N seconds. `Preference-Applied` says what was honoured."),
        ("Idempotency-Key" = Option<String>, Header, description = "A request that is sent again with the same key within 24 hours is not run again but answered with the first one's result.", pattern = "^[!-~]{1,255}$"),
    ),
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
        (status = 202, description = "The job was taken; its result comes later (`Prefer: respond-async`).", body = Ticket, headers(
            ("Location" = String, description = "Where its result will be."),
            ("Preference-Applied" = String, description = "What was honoured of `Prefer`."),
        )),
        (status = 409, description = "`cancelled`: somebody else cancelled the job.", body = ErrorAnswer),
        (status = 429, description = "`too_many_open_jobs`: with `respond-async`, the caller has its share of the queue.", body = ErrorAnswer),
        (status = 422, description = "`idempotency_key_reused`: the key stands for another body.", body = ErrorAnswer),
        BadRequest, NoRoom, OurFault,
    )
)]
pub(crate) async fn post(
    State(state): State<Arc<AppState>>,
    room: Result<Path<String>, PathRejection>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, ApiError> {
    let budget = Budget::start(state.wait);
    let (mut parts, body) = request.into_parts();
    let Ok(caller) = Caller::from_request_parts(&mut parts, &()).await;
    let call = Call {
        state: &state,
        caller,
        tag: counted_as(&parts.extensions),
        peer,
        room: room_name(room),
        headers: &parts.headers,
        budget,
    };
    let preference = Preference::of(&parts.headers);
    let answer = match preference {
        Preference::None => call.attended(body).await?,
        Preference::Within(wait) => call.within(wait).attended(body).await?,
        Preference::Async => call.unattended(body).await?,
        Preference::AsyncAfter(wait) => {
            let call = call.within(wait);
            let by = call.budget.answer_by();
            let answer = call.unattended(body).await?;
            result_within(&state, peer, answer, by).await
        }
    };
    Ok(preference.applied_to(answer.into_response()))
}

/// A request without its body.
struct Call<'a> {
    state: &'a AppState,
    caller: Caller,
    tag: CallerTag,
    peer: Peer,
    room: String,
    headers: &'a HeaderMap,
    budget: Budget,
}

impl Call<'_> {
    /// Returns the same call, to be answered within this time.
    fn within(self, wait: Duration) -> Self {
        Self {
            budget: self.budget.with_patience(wait),
            ..self
        }
    }

    /// Returns the answer to a caller who waits.
    async fn attended(self, body: Body) -> Result<Answer, ApiError> {
        let (state, budget, tag, peer) = (self.state, self.budget, self.tag, self.peer);
        let permit = state.attended.in_flight.enter(tag, &self.room);
        let (is_in, left) = (permit.is_some(), budget.job_left());
        if let Some(refused) = state.attended.refusal(is_in, tag, &self.room, left) {
            body::discard(self.headers, body, budget.body_by()).await;
            return Ok(Answer::Other(overloaded(refused.retry_after)));
        }
        let headers = self.headers;
        let (keyed, request) = self.take_in(body).await?;
        let job = request.into_job(tag, headers, budget.job_deadline());
        let by = budget.answer_by();
        let held = match state.idempotency.begin(keyed, &job, by).await? {
            FirstOrReplay::First(held) => held,
            FirstOrReplay::Replay(earlier) => {
                let answer = state.idempotency.replay(earlier, peer, by).await;
                return Ok(Answer::Other(naming(earlier, answer)));
            }
        };
        tracing::Span::current().record("job.id", tracing::field::display(job.id));
        let (answer, acceptance) = state.attended.answer(&job, budget, peer).await;
        settle(held, acceptance).await;
        Ok(Answer::Other(naming(job.id, answer)))
    }

    /// Returns the answer to a caller who does not wait.
    async fn unattended(self, body: Body) -> Result<Answer, ApiError> {
        let (state, budget, tag) = (self.state, self.budget, self.tag);
        let Ok(_permit) = state.permits.unattended.try_acquire() else {
            body::discard(self.headers, body, budget.body_by()).await;
            return Ok(Answer::Other(overloaded(PERMIT_IN)));
        };
        let headers = self.headers;
        let (keyed, request) = self.take_in(body).await?;
        let mut job = state.unattended.job(tag, request, headers);
        let by = budget.answer_by();
        let held = match state.idempotency.begin(keyed, &job, by).await? {
            FirstOrReplay::First(held) => held,
            FirstOrReplay::Replay(earlier) => return Ok(Answer::Again(Ticket::of(earlier))),
        };
        tracing::Span::current().record("job.id", tracing::field::display(job.id));
        let (answer, acceptance) = match state.unattended.submit(&mut job).await {
            Ok(ticket) => (Answer::Taken(ticket), Acceptance::Taken),
            Err(refused) => {
                let answer = ApiError::from(refused.problem).into_response();
                (Answer::Other(naming(job.id, answer)), refused.acceptance)
            }
        };
        settle(held, acceptance).await;
        Ok(answer)
    }

    /// Reads and validates the request, and its idempotency key.
    async fn take_in(self, body: Body) -> Result<(Option<Keyed>, ValidatedRequest), ApiError> {
        let received = receive(self.room, self.headers, body, self.budget.body_by()).await?;
        let keyed = Keyed::of(self.headers, &self.caller, &received.room, &received.body)?;
        Ok((keyed, self.state.intake.validate(received)?))
    }
}

/// Releases a key whose job will certainly not run, so that the request can be sent again under it.
/// Any other key stands for its job.
async fn settle(held: HeldKey, acceptance: Acceptance) {
    match acceptance {
        Acceptance::CertainlyNot => held.release().await,
        Acceptance::Taken | Acceptance::Perhaps => held.keep(),
    }
}

/// An answer. One that only says that the job was taken can be replaced by the job's result.
enum Answer {
    Taken(Ticket),
    /// The job was taken by an earlier request.
    Again(Ticket),
    Other(Response),
}

/// Returns the result of a job that was taken, if it arrives by then; else the answer as it is.
async fn result_within(state: &AppState, peer: Peer, answer: Answer, by: Instant) -> Answer {
    let job = match &answer {
        Answer::Taken(ticket) | Answer::Again(ticket) => ticket.job_id,
        Answer::Other(_) => return answer,
    };
    // Without a permit to wait, answer as if the time were over.
    let Ok(mut follower) = Follower::new(Arc::clone(&state.history), Rooms::All, job) else {
        return answer;
    };
    let Ok(seen) = follower.end(by).await else {
        return answer;
    };
    let result = match &seen.execution.end {
        End::Ran(_) => {
            let follower = &follower;
            let again = move || async move { Ok(follower.look().await?.result()) };
            let (answers, around) = (&state.history.answers, Around::default());
            match answers.of_record(peer, around, seen.result(), again).await {
                Ok(bytes) => json_answer(bytes),
                Err(_full) => return answer,
            }
        }
        End::Failed(failure) => ApiError::from(failure_problem(job, failure)).into_response(),
        End::Pending => return answer,
    };
    let result = naming(job, result);
    Answer::Other(match answer {
        Answer::Again(_) => replayed(result),
        Answer::Taken(_) | Answer::Other(_) => result,
    })
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Other(answer) => answer,
            Self::Taken(ticket) => taken(ticket),
            Self::Again(ticket) => replayed(taken(ticket)),
        }
    }
}

fn taken(ticket: Ticket) -> Response {
    let (job, url) = (ticket.job_id, ticket.result_url.clone());
    let answer = (StatusCode::ACCEPTED, [(LOCATION, url)], Json(ticket));
    naming(job, answer.into_response())
}

/// Adds the job's id to the answer.
fn naming(id: JobId, mut answer: Response) -> Response {
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        answer.headers_mut().insert(JOB_ID_HEADER, id);
    }
    answer
}
