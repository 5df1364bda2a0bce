//! What a worker does for its engine beside running jobs: it clears up.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::engine::Engine;

/// How often containers whose owner is gone are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Removes containers whose owner is gone, now and then.
pub(crate) async fn sweep_until(engine: Arc<dyn Engine>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = engine.sweep().await {
            tracing::warn!(%error, "could not look for containers whose owner is gone");
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}
