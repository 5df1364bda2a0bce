//! The routes, and what wraps each of them: the span, CORS, and a last resort for panics.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::Response;
use axum::routing::{get, post};
use tower_http::cors::CorsLayer;
use tower_http::on_early_drop::OnEarlyDropLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;
use tracing::{Level, Span};
use warren_http::{alive, with_fallbacks};
use warren_shared::time::millis;

use crate::idempotency::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED};
use crate::origin::Origins;
use crate::routes::execute::JOB_ID_HEADER;
use crate::routes::{execute, executions, health, history};
use crate::state::AppState;

const HEALTH: &str = "/api/health";
const LIVEZ: &str = "/livez";
const READYZ: &str = "/readyz";
/// Asked every few seconds for ever.
const PROBES: [&str; 3] = [HEALTH, LIVEZ, READYZ];
const ADVICE: &str = "Run code with POST /api/rooms/{roomId}/execute; see also GET /api/executions/{id} and GET /api/health.";
/// How long a browser may remember what CORS allows.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// The whole API.
pub(crate) fn router(state: Arc<AppState>, origins: &Origins) -> Router {
    let routes = Router::new()
        .route("/api/rooms/{roomId}/execute", post(execute::post))
        .route("/api/rooms/{roomId}/executions", get(history::get))
        .route("/api/executions/{id}", get(executions::get))
        .route(HEALTH, get(health::get))
        .route(LIVEZ, get(alive))
        .route(READYZ, get(health::readyz))
        .with_state(state);
    wrapped(routes, origins)
}

/// Any routes with all that is around ours; the last layer is the outermost.
pub(crate) fn wrapped(routes: Router, origins: &Origins) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(span)
        .on_request(())
        .on_response(log)
        .on_failure(());
    let gone = OnEarlyDropLayer::builder().on_future_drop(|_request: &Request| {
        let span = Span::current();
        move || span.in_scope(|| tracing::info!("the caller went away before the answer"))
    });
    let header = SetResponseHeaderLayer::if_not_present;
    with_fallbacks(routes, ADVICE)
        .layer(cors(origins))
        .layer(header(CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(header(
            X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(gone)
        .layer(trace)
}

fn cors(origins: &Origins) -> CorsLayer {
    let origins = origins.header_values();
    if origins.is_empty() {
        // Allows nothing, and so says nothing.
        return CorsLayer::new();
    }
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
        .allow_headers([
            CONTENT_TYPE,
            AUTHORIZATION,
            HeaderName::from_static("traceparent"),
            IDEMPOTENCY_KEY,
        ])
        .expose_headers([RETRY_AFTER, JOB_ID_HEADER, IDEMPOTENCY_REPLAYED])
        .max_age(PREFLIGHT_AGE)
}

// By route and not by path: paths hold ids, and there are as many of them as callers like.
fn span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str);
    let method = request.method();
    if PROBES.contains(&route) {
        return tracing::debug_span!("request", %method, route);
    }
    tracing::info_span!("request", %method, route, job.id = tracing::field::Empty)
}

fn log(response: &Response, latency: Duration, span: &Span) {
    let (status, latency_ms) = (response.status().as_u16(), millis(latency));
    // Probes come every few seconds for ever; what they find is worth a line when it is bad.
    let is_probe = span.metadata().is_some_and(|m| *m.level() == Level::DEBUG);
    if is_probe && response.status().is_success() {
        tracing::debug!(status, latency_ms, "answered");
    } else {
        tracing::info!(status, latency_ms, "answered");
    }
}
