//! Runs a suspect: a job that was lost with its worker. It may have been the cause, so nothing else
//! runs beside it: if this worker dies as well, nobody else is blamed.

use tokio_util::sync::CancellationToken;
use warren_queue::{Delivery, SuspectToken};

use crate::slots::{Slot, Slots};

/// The suspect of `token`, with all of the worker's slots, as soon as nothing else runs; that is
/// bounded by the times of the jobs that do, since nothing begins meanwhile. `None` if there is no
/// suspect any more, or `stop` came first.
pub async fn alone(
    token: SuspectToken,
    slots: &Slots,
    stop: &CancellationToken,
) -> Option<(Delivery, Slot)> {
    let all = stop.run_until_cancelled(slots.take_all()).await??;
    match token.fetch().await {
        Ok(suspect) => Some((suspect?, all)),
        Err(error) => {
            tracing::warn!(%error, "cannot fetch a suspect; its token goes to another worker");
            None
        }
    }
}
