//! How long another service wants to be left alone.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// RapidAPI's own word for it.
const RAPID_API_RESET: &str = "x-ratelimit-requests-reset";

/// What the headers ask for, in seconds; a date is not understood, and the breaker's own pause
/// stands.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let said = headers
        .get(RETRY_AFTER)
        .or_else(|| headers.get(RAPID_API_RESET))?;
    let seconds = said.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
