//! Intake of requests for execution: reading, validating, and building the job.
//! Each step's error says to the caller what is wrong.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::HeaderMap;
use tokio::time::Instant;
use warren_http::{ApiError, body};
use warren_languages::{Languages, PolicyMode};
use warren_protocol::callback::CallbackUrl;
use warren_protocol::contract::{ExecuteRequest, Refusal};
use warren_protocol::ids::{CallerTag, RoomId};
use warren_protocol::job::Job;
use warren_protocol::limits::{ByteSize, Limits, MAX_BODY};
use warren_protocol::submission::Submission;
use warren_protocol::time::Deadline;

use super::trace_context::traceparent;
use crate::callbacks::Callbacks;

/// A request as received, of which only the size and the room's name are checked.
pub(crate) struct Received {
    pub(crate) room: RoomId,
    pub(crate) body: Vec<u8>,
}

/// Returns the room that a path names. A path that is not UTF-8 names none.
pub(crate) fn room_name(room: Result<Path<String>, PathRejection>) -> String {
    room.map_or_else(|_rejected| String::new(), |Path(room)| room)
}

/// Reads the request, which has to arrive by `by`.
pub(crate) async fn receive(
    room: String,
    headers: &HeaderMap,
    body: Body,
    by: Instant,
) -> Result<Received, ApiError> {
    receive_within(room, headers, body, MAX_BODY, by).await
}

/// Reads a request of at most `limit`, which has to arrive by `by`.
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

/// A valid request: the parts of the job that it asks for.
pub(crate) struct ValidatedRequest {
    room: RoomId,
    submission: Submission,
    callback: Option<CallbackUrl>,
}

/// Everything that a request is validated against.
pub(crate) struct Intake {
    pub(crate) languages: Languages,
    pub(crate) policy: PolicyMode,
    pub(crate) callbacks: Arc<Callbacks>,
}

impl Intake {
    /// Reads and validates what was received.
    pub(crate) fn validate(&self, received: Received) -> Result<ValidatedRequest, Refusal> {
        let Received { room, body } = received;
        let request = ExecuteRequest::from_json(&body)?;
        drop(body);
        self.accept(room, request)
    }

    /// Validates one request.
    pub(crate) fn accept(
        &self,
        room: RoomId,
        request: ExecuteRequest,
    ) -> Result<ValidatedRequest, Refusal> {
        let callback = self.callbacks.accept(request.callback_url.as_deref())?;
        let submission = Submission::parse(request, &self.languages, self.policy)?;
        Ok(ValidatedRequest {
            room,
            submission,
            callback,
        })
    }
}

impl ValidatedRequest {
    /// Builds the job that this caller's request asks for.
    pub(crate) fn into_job(
        self,
        caller: CallerTag,
        headers: &HeaderMap,
        deadline: Deadline,
    ) -> Job {
        let mut job = Job::new(self.room, self.submission, Limits::default(), deadline);
        job.caller = Some(caller);
        job.traceparent = traceparent(headers);
        job.callback = self.callback;
        job
    }
}
