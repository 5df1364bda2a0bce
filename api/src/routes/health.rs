//! `GET /api/health`, and the probes `/livez` and `/readyz`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use warren_http::readiness;
use warren_protocol::health::{self, HealthReport};

use crate::state::AppState;

/// How this API and the services behind it are
#[utoipa::path(
    get,
    path = "/api/health",
    tag = "operate",
    operation_id = "getHealth",
    responses(
        (status = 200, description = "Jobs can be queued: `ok` or `degraded`.", body = HealthReport),
        (status = 503, description = "They cannot: `down`.", body = HealthReport),
    )
)]
pub(crate) async fn get(State(state): State<Arc<AppState>>) -> Response {
    let report = state.health.report().await;
    let status = match report.status {
        health::State::Ok | health::State::Degraded => StatusCode::OK,
        health::State::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(report)).into_response()
}

/// Whether this process serves
#[utoipa::path(
    get,
    path = "/livez",
    tag = "operate",
    operation_id = "getLiveness",
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain"))
)]
pub(crate) async fn livez() -> &'static str {
    warren_http::alive().await
}

/// Whether requests sent here would be run
///
/// 200 while requests sent here would be run: jobs can be queued and a worker is there to take them,
/// or a fallback works, and this API does not stop. Else 503 with the reason.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operate",
    operation_id = "getReadiness",
    responses(
        (status = 200, description = "They would.", body = String, content_type = "text/plain"),
        (status = 503, description = "They would not; the body says why.", body = String, content_type = "text/plain"),
    )
)]
pub(crate) async fn readyz(State(state): State<Arc<AppState>>) -> (StatusCode, String) {
    if state.draining.is_cancelled() {
        return readiness(Some("draining".to_owned()));
    }
    readiness(state.health.unready().await)
}
