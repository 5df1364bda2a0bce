//! `GET /api/health`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use warren_shared::health;

use crate::state::AppState;

/// 200 while jobs can be queued, else 503.
pub(crate) async fn get(State(state): State<Arc<AppState>>) -> Response {
    let report = state.health.report().await;
    let status = match report.status {
        health::State::Ok | health::State::Degraded => StatusCode::OK,
        health::State::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(report)).into_response()
}
