//! What a worker does for its engine beside running jobs: makes it ready, and clears up.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::engine::Engine;

/// How often containers whose owner is gone are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// The pause before the engine is tried again; it doubles up to the next.
const PREPARE_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const PREPARE_PAUSE_MAX: Duration = Duration::from_secs(15);

/// Waits until the engine can run something; false if `stop` came first.
pub(crate) async fn prepared(engine: Arc<dyn Engine>, stop: &CancellationToken) -> bool {
    let prepare = async {
        let mut pause = PREPARE_PAUSE;
        while let Err(error) = engine.prepare().await {
            tracing::error!(%error, retry_in_s = pause.as_secs(), "this worker cannot run anything yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PREPARE_PAUSE_MAX);
        }
    };
    tokio::select! {
        () = prepare => true,
        () = stop.cancelled() => false,
    }
}

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
