//! Answers to the probes `/livez` and `/readyz`.

use axum::http::StatusCode;

/// Answers 200 while the process serves.
pub async fn alive() -> &'static str {
    "alive\n"
}

/// Answers 200, or 503 with the reason why the process is not ready.
#[must_use]
pub fn readiness(unready: Option<String>) -> (StatusCode, String) {
    match unready {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
