//! Answers a request with the outcome of an earlier request's job.

use std::time::Duration;

use axum::Json;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, sleep, timeout_at};
use warren_http::ApiError;
use warren_protocol::ids::JobId;

use super::first_or_replay::store_unavailable;
use super::{IDEMPOTENCY_REPLAYED, Idempotency};
use crate::execution::dispatch::{DispatchError, failure_problem};
use crate::history::Recorder;
use crate::store::{End, StoreError};
use crate::sync::pauses;

/// Pauses between two reads of the record: the first, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(250);

impl Idempotency {
    /// Waits until the job of an earlier request has ended, until `by` at the latest, and returns the
    /// answer that its own caller received.
    pub(crate) async fn replay(&self, job: JobId, by: Instant) -> Response {
        let mut last = Ok(());
        let answer = timeout_at(by, settled(&self.recorder, job, &mut last)).await;
        let response = match (answer, last) {
            (Ok(End::Ran(answer)), _) => Json(answer).into_response(),
            (Ok(End::Failed(failure)), _) => {
                ApiError::from(failure_problem(job, &failure)).into_response()
            }
            (Ok(End::Pending) | Err(_), Ok(())) => {
                let problem = DispatchError::TimedOut.into_problem(job, Duration::default);
                ApiError::from(problem).into_response()
            }
            (Ok(End::Pending) | Err(_), Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot replay the answer of an earlier request"
                );
                ApiError::from(store_unavailable()).into_response()
            }
        };
        replayed(response)
    }
}

/// Marks an answer as one about an earlier request's job.
pub(crate) fn replayed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Returns how the job ended, once it has. `last` is the result of the last read.
async fn settled(recorder: &Recorder, job: JobId, last: &mut Result<(), StoreError>) -> End {
    let mut pauses = pauses(FIRST_PAUSE, LAST_PAUSE);
    loop {
        match recorder.find(job).await {
            Ok(Some(found)) if found.is_settled() => return found.end,
            Ok(_not_yet) => *last = Ok(()),
            Err(error) => *last = Err(error),
        }
        sleep(pauses.next().unwrap_or(LAST_PAUSE)).await;
    }
}
