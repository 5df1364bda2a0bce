//! Parses how long another service asks not to be called.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// RapidAPI's own header for this pause.
const RAPID_API_RESET: &str = "x-ratelimit-requests-reset";

/// Returns the pause that the headers ask for, in seconds. A date is ignored; then the breaker's
/// own pause applies.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let said = headers
        .get(RETRY_AFTER)
        .or_else(|| headers.get(RAPID_API_RESET))?;
    let seconds = said.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
