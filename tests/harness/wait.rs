//! Waits for a state, never for a fixed time.

use std::time::{Duration, Instant};

/// The bound of every wait for what must happen. It is no expectation of how long that takes. It
/// only ends a test that hangs, so it is longer than the slowest and busiest machine needs.
pub const SOON: Duration = Duration::from_secs(180);

/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(25);

/// Waits until the condition holds; returns how long that took.
pub async fn until(within: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so().await {
        assert!(
            started.elapsed() < within,
            "waited {within:?} in vain for {what}"
        );
        tokio::time::sleep(PAUSE).await;
    }
    started.elapsed()
}
