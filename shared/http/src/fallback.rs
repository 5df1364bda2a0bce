//! What is answered where no handler does: an unknown path, a wrong method, a panic.

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

/// The routes, with the contract's errors for whatever they do not answer. `advice` tells whoever
/// asks for an unknown path what there is.
pub fn with_fallbacks<S>(routes: Router<S>, advice: &'static str) -> Router<S>
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
        "This path does not take this method. Use one of those in the Allow header.",
    )
    .with_details(json!({ "method": method }))
    .into()
}

async fn drain(request: Request) {
    let (parts, body) = request.into_parts();
    body::discard(&parts.headers, body, Instant::now() + BODY_TIME).await;
}

// The panic's own words may quote code or output; they go to the panic hook only.
fn panicked(_words: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request's handler panicked");
    ApiError::from(Problem::new(
        500,
        "internal_error",
        "Something went wrong on our side. Send the request again; if it fails again, please report it.",
    ))
    .into_response()
}
