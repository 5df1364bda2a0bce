//! Answers a request with the outcome of an earlier request's job.

use std::time::Duration;

use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, sleep, timeout_at};
use warren_http::{ApiError, Around, Peer, Read, json_answer};
use warren_protocol::ids::JobId;

use super::first_or_replay::store_unavailable;
use super::{IDEMPOTENCY_REPLAYED, Idempotency};
use crate::execution::attended::to_be_read;
use crate::execution::dispatch::{DispatchError, failure_problem};
use crate::store::{End, StoreError};
use crate::sync::pauses;

/// Pauses between two reads of the record: the first, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(250);

impl Idempotency {
    /// Waits until the job of an earlier request has ended, until `by` at the latest, and returns the
    /// answer that its own caller received.
    pub(crate) async fn replay(&self, job: JobId, peer: Peer, by: Instant) -> Response {
        let mut last = Ok(());
        let read = timeout_at(by, self.settled(job, &mut last)).await;
        let (end, turn) = match read {
            Ok(Read { value, turn }) => (value, turn),
            Err(_elapsed) => (End::Pending, None),
        };
        let response = match (end, last) {
            (End::Ran(value), _) => {
                let first = Read { value, turn };
                let again = move || async move {
                    let Read { value, turn } = self.settled(job, &mut Ok(())).await;
                    match value {
                        End::Ran(value) => Ok(Read { value, turn }),
                        End::Failed(_) | End::Pending => Err(store_unavailable()),
                    }
                };
                let around = Around::default();
                let answer = self.answers.of_record(peer, around, first, again);
                let answer = answer.await.map(json_answer);
                answer.map_err(|full| to_be_read(job, full)).into_response()
            }
            (End::Failed(failure), _) => {
                ApiError::from(failure_problem(job, &failure)).into_response()
            }
            (End::Pending, Ok(())) => {
                let problem = DispatchError::TimedOut.into_problem(job, Duration::default);
                ApiError::from(problem).into_response()
            }
            (End::Pending, Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot replay the answer of an earlier request"
                );
                ApiError::from(store_unavailable()).into_response()
            }
        };
        replayed(response)
    }

    /// Returns how the job ended, once it has. `last` is the result of the last read.
    async fn settled(&self, job: JobId, last: &mut Result<(), StoreError>) -> Read<End> {
        let mut pauses = pauses(FIRST_PAUSE, LAST_PAUSE);
        loop {
            // Without a turn it is as if it had not ended yet.
            if let Ok(turn) = self.answers.turn().await {
                match self.recorder.find(job).await {
                    Ok(Some(found)) if found.is_settled() => {
                        return Read {
                            value: found.end,
                            turn: Some(turn),
                        };
                    }
                    Ok(_not_yet) => *last = Ok(()),
                    Err(error) => *last = Err(error),
                }
            }
            sleep(pauses.next().unwrap_or(LAST_PAUSE)).await;
        }
    }
}

/// Marks an answer as one about an earlier request's job.
pub(crate) fn replayed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    response
}
