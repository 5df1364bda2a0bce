//! From a request for execution to the job that it asks for: read, validated, built. Each step
//! says to the caller what is wrong.

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::HeaderMap;
use tokio::time::Instant;
use warren_http::{ApiError, body};
use warren_protocol::callback::CallbackUrl;
use warren_protocol::contract::{ExecuteRequest, Refusal};
use warren_protocol::ids::RoomId;
use warren_protocol::job::Job;
use warren_protocol::limits::{ByteSize, Limits, MAX_BODY};
use warren_protocol::submission::Submission;
use warren_protocol::time::Deadline;

use crate::execution::trace_context::traceparent;
use crate::state::AppState;

/// A request as it came, with nothing but its size and the room's name checked.
pub(crate) struct Received {
    pub(crate) room: RoomId,
    pub(crate) body: Vec<u8>,
}

/// The room that a path names. One that is not UTF-8 names none.
pub(crate) fn room_name(room: Result<Path<String>, PathRejection>) -> String {
    room.map_or_else(|_rejected| String::new(), |Path(room)| room)
}

/// Takes the request in, to be here `by` then.
pub(crate) async fn receive(
    room: String,
    headers: &HeaderMap,
    body: Body,
    by: Instant,
) -> Result<Received, ApiError> {
    receive_within(room, headers, body, MAX_BODY, by).await
}

/// The same of at most `limit`.
pub(crate) async fn receive_within(
    room: String,
    headers: &HeaderMap,
    body: Body,
    limit: ByteSize,
    by: Instant,
) -> Result<Received, ApiError> {
    // The body first, whatever else is wrong: a sender who is cut off sees no answer.
    let body = body::read_json_within(limit, headers, body, by).await?;
    let room: RoomId = room.parse().map_err(Refusal::InvalidRoom)?;
    Ok(Received { room, body })
}

/// What is asked for, validated.
pub(crate) struct Order {
    room: RoomId,
    submission: Submission,
    callback: Option<CallbackUrl>,
}

/// Reads and validates what was received.
pub(crate) fn order(state: &AppState, received: Received) -> Result<Order, Refusal> {
    let Received { room, body } = received;
    let request = ExecuteRequest::from_json(&body)?;
    drop(body);
    accept(state, room, request)
}

/// Validates one request.
pub(crate) fn accept(
    state: &AppState,
    room: RoomId,
    request: ExecuteRequest,
) -> Result<Order, Refusal> {
    let callback = state.callbacks.accept(request.callback_url.as_deref())?;
    let submission = Submission::parse(request, &state.languages, state.policy)?;
    Ok(Order {
        room,
        submission,
        callback,
    })
}

impl Order {
    /// The job that it comes to.
    pub(crate) fn into_job(self, headers: &HeaderMap, deadline: Deadline) -> Job {
        let mut job = Job::new(self.room, self.submission, Limits::default(), deadline);
        job.traceparent = traceparent(headers);
        job.callback = self.callback;
        job
    }
}
