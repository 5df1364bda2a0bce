//! `POST /api/rooms/{roomId}/execute/batch`: many submissions at once, without waiting for them.
//!
//! All are validated before any is queued. What the queue then cannot take is reported one by one:
//! what it has taken will run, and that cannot be undone.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use utoipa::ToSchema;
use warren_http::{ApiError, Budget, LONGEST_WAIT, Peer, body, json_answer};
use warren_protocol::contract::{BatchRequest, Problem, Refusal};
use warren_protocol::limits::MAX_BATCH_BODY;

use warren_protocol::ids::{CallerTag, RoomId};

use crate::access::caller::counted_as;
use crate::access::rate::Meter;
use crate::description::{BadRequest, NoRoom, OurFault};
use crate::execution::intake::{Received, ValidatedRequest, receive_within, room_name};
use crate::execution::overloaded::overloaded;
use crate::execution::unattended::{ROOM_IN, Ticket};
use crate::state::AppState;

/// How many of a batch are queued at a time.
const AT_A_TIME: usize = 8;
/// `Retry-After` for a request that found no free permit.
const PLACE_IN: Duration = Duration::from_secs(2);

/// What a caller is told of a batch.
#[derive(Debug, Serialize, ToSchema)]
struct BatchAnswer {
    /// How many were taken, and will be run.
    accepted: usize,
    /// How many were not.
    refused: usize,
    /// One for each submission, in their order.
    jobs: Vec<Taken>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Taken {
    Yes(Ticket),
    No {
        #[schema(value_type = String, examples("refused"))]
        status: &'static str,
        error: Value,
    },
}

/// Takes many submissions at once, none of them waited for
///
/// All are validated before any is queued: one fault refuses the batch (`details.index` and
/// `details.field`). What the queue then cannot take is told one by one.
#[utoipa::path(
    post,
    path = "/api/rooms/{roomId}/execute/batch",
    tag = "run",
    operation_id = "executeBatch",
    params(("roomId" = RoomId, Path, description = "The room: 1 to 128 letters, digits, `-`, `_`, `.` or `:`, starting with a letter or digit.")),
    request_body(content = BatchRequest, examples(
        ("two" = (summary = "Two programs", value = json!({"submissions": [
            {"language": "python", "code": "print(1)"}, {"language": "javascript", "code": "console.log(2)"},
        ]}))),
    )),
    responses(
        (status = 202, description = "What was taken, and what not, in the order of the submissions.", body = BatchAnswer),
        BadRequest, NoRoom, OurFault,
    )
)]
pub(crate) async fn post(
    State(state): State<Arc<AppState>>,
    room: Result<Path<String>, PathRejection>,
    meter: Meter,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, ApiError> {
    let budget = Budget::start(state.wait);
    let (parts, body) = request.into_parts();
    let Ok(_permit) = state.permits.batches.try_acquire() else {
        body::discard(&parts.headers, body, budget.body_by()).await;
        return Ok(overloaded(PLACE_IN));
    };
    let (headers, by) = (&parts.headers, budget.body_by());
    let received = receive_within(room_name(room), headers, body, MAX_BATCH_BODY, by).await?;
    let requests = validated(&state, received)?;
    // The middleware has charged one of them already.
    if let Some(others) = NonZeroU32::new(u32::try_from(requests.len()).unwrap_or(1) - 1) {
        meter.charge(others)?;
    }
    let caller = counted_as(&parts.extensions);
    submit(&state, caller, requests, headers, peer, budget.answer_by()).await
}

/// Reads and validates the whole batch.
fn validated(state: &AppState, received: Received) -> Result<Vec<ValidatedRequest>, Problem> {
    let Received { room, body } = received;
    let batch = BatchRequest::from_json(&body)?;
    drop(body);
    let requests = batch.submissions.into_iter().enumerate();
    requests
        .map(|(index, request)| {
            state
                .intake
                .accept(room.clone(), request)
                .map_err(|refusal| at(index, refusal))
        })
        .collect()
}

/// Queues as many jobs as it can until `by`.
async fn submit(
    state: &AppState,
    caller: CallerTag,
    requests: Vec<ValidatedRequest>,
    headers: &HeaderMap,
    peer: Peer,
    by: Instant,
) -> Result<Response, ApiError> {
    let jobs = requests
        .into_iter()
        .map(|request| state.unattended.job(caller, request, headers));
    let submitting = jobs.map(|mut job| async move {
        // Each is bounded, but with a slow broker many of them could take too long.
        if Instant::now() < by {
            state
                .unattended
                .submit(&mut job)
                .await
                .map_err(|refused| refused.problem)
        } else {
            Err(too_slow())
        }
    });
    let submitted: Vec<_> = stream::iter(submitting).buffered(AT_A_TIME).collect().await;
    let accepted = submitted.iter().filter(|taken| taken.is_ok()).count();
    match submitted.iter().find_map(|taken| taken.as_ref().err()) {
        // A batch of which nothing was accepted is refused like a single submission.
        Some(problem) if accepted == 0 => Err(problem.clone().into()),
        _ => {
            let answer = BatchAnswer {
                accepted,
                refused: submitted.len() - accepted,
                jobs: submitted.into_iter().map(Taken::from).collect(),
            };
            let by = Instant::now() + LONGEST_WAIT;
            let bytes = state.history.answers.of(peer, &answer, by).await?;
            let mut answer = json_answer(bytes);
            *answer.status_mut() = StatusCode::ACCEPTED;
            Ok(answer)
        }
    }
}

impl From<Result<Ticket, Problem>> for Taken {
    fn from(submitted: Result<Ticket, Problem>) -> Self {
        match submitted {
            Ok(ticket) => Self::Yes(ticket),
            Err(problem) => Self::No {
                status: "refused",
                error: problem.body()["error"].take(),
            },
        }
    }
}

/// Adds to a refusal the index of its submission.
fn at(index: usize, refusal: Refusal) -> Problem {
    let place = format!("submissions[{index}]");
    let mut problem = Problem::from(refusal);
    problem.message = format!("{place}: {}", problem.message);
    let mut details = match problem.details.take() {
        Value::Object(details) => details,
        _ => serde_json::Map::new(),
    };
    let field = match details.get("field").and_then(Value::as_str) {
        Some(field) => format!("{place}.{field}"),
        None => place,
    };
    details.insert("field".to_owned(), field.into());
    details.insert("index".to_owned(), index.into());
    problem.with_details(details.into())
}

fn too_slow() -> Problem {
    let message = "The job queue was too slow to take all of the batch. Send those that were refused again later; if you operate this service, see GET /api/health and check the message broker.";
    Problem::new(503, "queue_unavailable", message).retry_after(ROOM_IN)
}
