//! Default responses: unknown path, wrong method, panic.

use std::any::Any;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use warren_protocol::contract::Problem;

use crate::api_error::ApiError;
use crate::body;
use crate::budget::BODY_TIME;

/// Adds the contract's errors for requests that no route answers. `advice` tells the caller of an
/// unknown path which paths exist.
pub fn with_default_responses<S>(routes: Router<S>, advice: &'static str) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes
        .fallback(move |request| not_found(request, advice))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(panicked))
}

async fn not_found(request: Request, advice: &'static str) -> ApiError {
    drain(request).await;
    Problem::new(
        404,
        "not_found",
        format!("There is nothing at this path. {advice}"),
    )
    .into()
}

async fn method_not_allowed(request: Request) -> ApiError {
    let method = request.method().to_string();
    drain(request).await;
    Problem::new(
        405,
        "method_not_allowed",
        "This path does not accept this method. Use a method of the Allow header.",
    )
    .with_details(json!({ "method": method }))
    .into()
}

async fn drain(request: Request) {
    let (parts, body) = request.into_parts();
    body::discard(&parts.headers, body, Instant::now() + BODY_TIME).await;
}

// The panic's message may quote code or output, so it goes to the panic hook only.
fn panicked(_message: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("request handler panicked; answering with 500");
    ApiError::from(Problem::new(
        500,
        "internal_error",
        "An internal error occurred. Send the request again; if it fails again, please report it.",
    ))
    .into_response()
}
