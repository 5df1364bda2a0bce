//! Waits for a state, never for a time.

use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Waits until it is so; how long that took.
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
