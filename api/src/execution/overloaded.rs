//! Answer to a caller when there is no capacity.

use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::{IntoResponse, Response};
use warren_http::ApiError;
use warren_protocol::contract::Problem;

use crate::execution::dispatch::OVERLOADED;

/// Builds the answer. It closes the connection, because a caller that is to retry later should not
/// keep one from others meanwhile.
pub(crate) fn overloaded(retry_after: Duration) -> Response {
    let problem = Problem::new(503, "overloaded", OVERLOADED);
    let answer = ApiError::from(problem.retry_after(retry_after));
    let mut response = answer.into_response();
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}
