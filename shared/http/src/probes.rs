//! What is answered to those who start and route to a process: `/livez` and `/readyz`.

use axum::http::StatusCode;

/// 200 while the process serves.
pub async fn alive() -> &'static str {
    "alive\n"
}

/// 200, or 503 with the reason why it is not ready.
#[must_use]
pub fn readiness(unready: Option<String>) -> (StatusCode, String) {
    match unready {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
