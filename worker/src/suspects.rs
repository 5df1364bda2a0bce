//! Runs a suspect: a job that was lost with its worker. It may have been the cause, so nothing else
//! runs beside it: if this worker dies as well, nobody else is blamed.

use tokio_util::sync::CancellationToken;
use warren_queue::{Delivery, Turn};

use crate::slots::{Slot, Slots};

/// The suspect of `turn`, with all of the worker's slots, as soon as nothing else runs; that is
/// bounded by the times of the jobs that do, since nothing begins meanwhile. `None` if there is no
/// suspect any more, or `stop` came first.
pub async fn alone(
    turn: Turn,
    slots: &Slots,
    stop: &CancellationToken,
) -> Option<(Delivery, Slot)> {
    let all = stop.run_until_cancelled(slots.take_all()).await??;
    match turn.fetch().await {
        Ok(suspect) => Some((suspect?, all)),
        Err(error) => {
            tracing::warn!(%error, "a suspect could not be fetched; its turn goes to another worker");
            None
        }
    }
}
