//! Router: every route, and the layers around them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use tower_http::cors::CorsLayer;
use tower_http::on_early_drop::OnEarlyDropLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;
use tracing::{Level, Span};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use warren_http::{ForeignPages, refuse_foreign_pages, with_default_responses};
use warren_protocol::time::millis;

use crate::access::auth::API_KEY_HEADER;
use crate::access::cors::Origins;
use crate::access::middleware::guard;
use crate::access::rate::{LIMIT, REMAINING, RESET};
use crate::description::{self, Description};
use crate::execution::idempotency::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED};
use crate::execution::preference::{PREFER, PREFERENCE_APPLIED};
use crate::execution::trace_context::received;
use crate::metrics::count;
use crate::routes::execute::JOB_ID_HEADER;
use crate::routes::{batch, cancel, docs, events, execute, executions, health, history, metrics};
use crate::state::AppState;

const HEALTH: &str = "/api/health";
const LIVEZ: &str = "/livez";
const READYZ: &str = "/readyz";
const METRICS: &str = "/metrics";
/// Paths that are requested every few seconds for as long as the process runs.
pub(crate) const PROBES: [&str; 4] = [HEALTH, LIVEZ, READYZ, METRICS];
const ADVICE: &str = "Run code with POST /api/rooms/{roomId}/execute; GET /api/docs says how, and what else there is.";
/// How long a browser may remember what CORS allows.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// Builds the whole API.
pub(crate) fn router(state: Arc<AppState>, origins: &Origins, foreign: ForeignPages) -> Router {
    let (routes, gathered) = described().split_for_parts();
    let description = Arc::new(Description::new(
        gathered,
        &state.intake.languages,
        state.intake.callbacks.is_on(),
    ));
    let routes = routes
        .layer(Extension(description))
        .layer(from_fn_with_state(Arc::clone(&state.access), guard))
        .with_state(Arc::clone(&state));
    // Outermost, so that it counts the answers of all other layers.
    wrapped(routes, origins, foreign).layer(from_fn_with_state(state.requests.clone(), count))
}

/// Returns every route with its description: paths and methods are those of the handlers'
/// `utoipa::path`.
fn described() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::with_openapi(description::base())
        .routes(routes!(execute::post))
        .routes(routes!(batch::post))
        .routes(routes!(history::get))
        .routes(routes!(executions::get, cancel::delete))
        .routes(routes!(events::get))
        .routes(routes!(health::get))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(docs::json))
        .routes(routes!(docs::page))
        .route(METRICS, get(metrics::get))
}

/// Wraps routes in the layers of the API; the last layer is the outermost.
pub(crate) fn wrapped(routes: Router, origins: &Origins, foreign: ForeignPages) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(span)
        .on_request(())
        .on_response(log)
        .on_failure(());
    let gone = OnEarlyDropLayer::builder().on_future_drop(|_request: &Request| {
        let span = Span::current();
        move || span.in_scope(|| tracing::info!("the caller disconnected before the answer"))
    });
    let header = SetResponseHeaderLayer::if_not_present;
    with_default_responses(routes, ADVICE)
        .layer(from_fn_with_state(Arc::new(foreign), refuse_foreign_pages))
        // Around it, so that it answers preflights, and pages that may call can read a refusal.
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
        // Without an origin to allow there are no CORS headers.
        return CorsLayer::new();
    }
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::DELETE, Method::OPTIONS])
        .allow_headers([
            CONTENT_TYPE,
            AUTHORIZATION,
            HeaderName::from_static("traceparent"),
            API_KEY_HEADER,
            PREFER,
            IDEMPOTENCY_KEY,
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([
            RETRY_AFTER,
            JOB_ID_HEADER,
            LIMIT,
            REMAINING,
            RESET,
            LOCATION,
            PREFERENCE_APPLIED,
            IDEMPOTENCY_REPLAYED,
        ])
        .max_age(PREFLIGHT_AGE)
}

// By route and not by path: paths hold ids, so callers could make any number of names.
fn span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str);
    let method = request.method();
    if PROBES.contains(&route) {
        return tracing::debug_span!("request", %method, route);
    }
    let span = tracing::info_span!(
        "request",
        %method,
        route,
        job.id = tracing::field::Empty,
        trace_id = tracing::field::Empty,
    );
    warren_telemetry::join(&span, received(request.headers()).as_deref());
    span
}

fn log(response: &Response, latency: Duration, span: &Span) {
    let (status, latency_ms) = (response.status().as_u16(), millis(latency));
    warren_telemetry::note(span, "http.response.status_code", i64::from(status));
    // Probes come every few seconds; only their failures are worth a line.
    let is_probe = span.metadata().is_some_and(|m| *m.level() == Level::DEBUG);
    if is_probe && response.status().is_success() {
        tracing::debug!(status, latency_ms, "answered");
    } else {
        tracing::info!(status, latency_ms, "answered");
    }
}
