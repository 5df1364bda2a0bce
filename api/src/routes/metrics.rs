//! `GET /metrics`: the metrics for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::metrics;
use crate::state::AppState;

pub(crate) async fn get(State(state): State<Arc<AppState>>) -> impl IntoResponse {
    // Some figures come from the last health report, which is bounded in time and at most a second
    // old.
    state.health.report().await;
    (
        [(CONTENT_TYPE, metrics::CONTENT_TYPE)],
        state.metrics.text(),
    )
}
